/** What a pod POSTs to the report URL: only the last value matters, history goes to metrics. */
import * as z from 'zod';
import { role } from './pod-contract/role.ts';

export const progressReport = z
  .strictObject({
    role,
    stage: z.string().max(40).describe('Empty for fetch.'),
    attempt: z.int().nonnegative(),
    phase: z.enum(['fetch', 'generate', 'reference', 'train', 'export', 'verify', 'load']),
    completed: z.number().nonnegative(),
    total: z.number().nonnegative().describe('0 while it is not known.'),
    unit: z.enum(['bytes', 'items', 'rows', 'steps']),
    etaSeconds: z.number().nonnegative().optional(),
    tokensPerSecond: z.number().nonnegative().optional(),
    metrics: z
      .record(z.string().max(64), z.number())
      .optional()
      .describe(
        'For instance loss, rewards/margins, rewards/accuracies, grad_norm; dropped/<reason> when generating.',
      ),
    reportedAt: z.iso.datetime({ offset: true }),
  })
  .describe('Progress of one pod.');

export type ProgressReport = z.infer<typeof progressReport>;
