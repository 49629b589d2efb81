/**
 * What a pod leaves behind: its termination message, at most 4,096 bytes. It is the durable copy of every result,
 * since the controller never opens storage.
 */
import * as z from 'zod';
import { sha256Digest } from '../checkpoint-manifest.ts';
import { modelFacts } from '../model-facts.ts';

export const terminationMessageLimit = 4096;

const path = z.string();

export const fetchResult = z.strictObject({ path, digest: sha256Digest, model: modelFacts });

export const generateResult = z.strictObject({
  path: path.describe('rows.jsonl'),
  digest: sha256Digest,
  rows: z.int().nonnegative(),
  turns: z.int().nonnegative(),
  dropped: z.record(z.string().max(64), z.int()).describe('Count of dropped items by reason.'),
});

export const trainResult = z.strictObject({
  steps: z.int().nonnegative(),
  rows: z.int().nonnegative().describe('Trained on.'),
  loss: z.number().describe('Of the last step.'),
  rewardMargin: z.number(),
  rewardAccuracy: z.number(),
  evalLoss: z.number().optional().describe('Of the held-out rows after the last step; absent without any.'),
  evalRewardAccuracy: z.number().optional(),
  tokensPerSecond: z.number().nonnegative(),
  peakMemoryBytes: z.int().nonnegative().describe('Largest rank.'),
  resumedFromStep: z.int().nonnegative(),
  checkpoint: path,
  master: path.describe('Folder with f32 weights that the next stage starts from.'),
  masterDigest: sha256Digest,
  digest: sha256Digest.describe('Of the checkpoint manifest.'),
});

export const verifyResult = z.strictObject({
  checkpoint: path,
  digest: sha256Digest,
  step: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});

export const podError = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/)
    .describe('Stable, for instance MODEL_INCOMPLETE.'),
  message: z.string().max(2048).describe('Names what is wrong and what to do.'),
});

/** Exactly one of error or the result of the pod's role is present. */
export const podResult = z.strictObject({
  error: podError.optional(),
  fetch: fetchResult.optional(),
  generate: generateResult.optional(),
  train: trainResult.optional(),
  verify: verifyResult.optional(),
});

export type FetchResult = z.infer<typeof fetchResult>;
export type GenerateResult = z.infer<typeof generateResult>;
export type TrainResult = z.infer<typeof trainResult>;
export type VerifyResult = z.infer<typeof verifyResult>;
export type PodError = z.infer<typeof podError>;
export type PodResult = z.infer<typeof podResult>;
