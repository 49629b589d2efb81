/**
 * longpo-checkpoint.json: written last into a checkpoint folder, after everything else was fsynced. A folder
 * without it is not a checkpoint. The trainer writes it; the verify role and the server read it.
 */
import * as z from 'zod';
import { apiVersion } from './group.ts';

export const checkpointManifestFile = 'longpo-checkpoint.json';

export const sha256Digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const checkpointFile = z.strictObject({
  path: z
    .string()
    .regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/)
    .describe('Relative to the checkpoint folder.'),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export const checkpointManifest = z
  .strictObject({
    apiVersion: z.literal(apiVersion),
    kind: z.literal('LongPOCheckpoint'),
    training: z.string(),
    stage: z.string(),
    step: z.int().nonnegative().describe('Optimizer steps of the stage that made it.'),
    contextLength: z.int().positive().describe('Tokens.'),
    dtype: z.enum(['f32', 'bf16']),
    baseModelDigest: sha256Digest.describe('Digest of the model that the stage started from.'),
    digest: sha256Digest.describe(
      'SHA-256 over the lines "<sha256>  <path>\\n" of files, sorted by path: it names the content, not the moment.',
    ),
    files: z.array(checkpointFile).min(1),
    metrics: z.record(z.string(), z.number()).describe('Of the last step: loss, rewards/accuracies, ...'),
    createdAt: z.iso.datetime({ offset: true }),
    trainerVersion: z.string(),
  })
  .describe('Content and origin of one published checkpoint.');

export type CheckpointManifest = z.infer<typeof checkpointManifest>;
