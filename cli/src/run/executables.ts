/** Where the executables of the roles are in a checkout: the same names that an image has on its PATH. */
import { delimiter, join } from 'node:path';

const repository = join(import.meta.dirname, '..', '..', '..');

export const requirementsFile = join(repository, 'trainer', 'requirements.txt');

/** PATH of a pod: our executables, the Node that runs this, then the user's. */
export function podPath(path: string): string {
  return [join(repository, 'node_modules', '.bin'), join(repository, 'trainer', 'bin'), path].join(delimiter);
}
