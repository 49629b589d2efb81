/** The roles a pod can have. Each is one executable on PATH, in an image or in a checkout alike. */
import * as z from 'zod';

export const role = z.enum(['fetch', 'generate', 'train', 'verify', 'serve']);
export type Role = z.infer<typeof role>;

/** The command of a role, as it stands in the pod template: it reads everything from env. */
export const roleCommand = (name: Role): string[] => [`longpo-${name}`];
