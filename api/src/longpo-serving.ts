/** LongPOServing: one model behind an OpenAI-compatible endpoint. */
import * as z from 'zod';
import { conditions } from './conditions.ts';
import { apiVersion, kinds } from './group.ts';
import { folderUri, metadata } from './object-meta.ts';
import { quantization } from './pod-contract/role-config.ts';

export const servingSettings = z.strictObject({
  quantization: quantization.default('int4'),
  maxModelLen: z.int().positive().optional().describe("Tokens of context; unset is the model's own length."),
  ropeTheta: z.number().positive().optional().describe("RoPE theta to read beyond the model's own length."),
  parallelSequences: z
    .int()
    .positive()
    .max(64)
    .default(2)
    .describe('Sequences served at once, one KV slot each.'),
});

export const longpoServingSpec = z
  .strictObject({
    model: z.strictObject({
      uri: folderUri.describe('Folder of the model: pvc://<claim>/<path> or an absolute path.'),
    }),
    storage: z.strictObject({ claimName: z.string().min(1).max(63).default('longpo') }).prefault({}),
    replicas: z.int().min(0).max(1).default(1),
    ...servingSettings.shape,
  })
  .describe('What to serve. The name that requests use in their model field is metadata.name.');

export const longpoServingStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
  replicas: z.int().optional(),
  readyReplicas: z.int().optional(),
  url: z.string().optional().describe('Base URL inside the cluster, with /v1.'),
});

export const longpoServing = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal(kinds.serving.kind),
  metadata,
  spec: longpoServingSpec,
  status: longpoServingStatus.optional(),
});

export type LongPOServingSpec = z.infer<typeof longpoServingSpec>;
export type LongPOServingStatus = z.infer<typeof longpoServingStatus>;
export type LongPOServing = z.infer<typeof longpoServing>;
