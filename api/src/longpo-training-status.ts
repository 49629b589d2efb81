/** Status of a LongPOTraining. Rebuilt from Jobs, pods and reports; `state` is for people, conditions are API. */
import * as z from 'zod';
import { sha256Digest } from './checkpoint-manifest.ts';
import { conditions } from './conditions.ts';
import { modelFacts } from './model-facts.ts';
import { progressReport } from './progress-report.ts';

/** The report, and when its numbers last moved by the controller's clock: stalls are told by that. */
export const stageProgress = z.strictObject({
  ...progressReport.shape,
  percent: z.int().min(0).max(100).optional().describe('Of the phase; absent while the total is unknown.'),
  advancedAt: z.string().optional().describe('When completed or phase last changed.'),
});

/** Defaults, since progress may stay for a moment after the reconciler has dropped its part of a stage. */
export const stageStatus = z.strictObject({
  name: z.string(),
  state: z.enum(['Pending', 'Generating', 'Training', 'Verifying', 'Succeeded', 'Failed']).default('Pending'),
  attempt: z.int().positive().default(1),
  restarts: z.int().nonnegative().default(0).describe('Failures within the window, stalls included.'),
  jobName: z.string().optional().describe('The Job of the current step.'),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
  data: z
    .strictObject({
      path: z.string(),
      digest: sha256Digest.optional(),
      rows: z.int().optional(),
      turns: z.int().optional(),
      dropped: z.record(z.string(), z.int()).optional(),
    })
    .optional(),
  checkpoint: z
    .strictObject({
      path: z.string(),
      digest: sha256Digest,
      step: z.int(),
      rows: z.int(),
      loss: z.number(),
      rewardMargin: z.number(),
      rewardAccuracy: z.number(),
      evalLoss: z.number().optional().describe('Of the held-out rows.'),
      evalRewardAccuracy: z.number().optional(),
      peakMemoryBytes: z.int(),
      verified: z.boolean(),
      master: z.string().optional().describe('Folder with f32 weights that the next stage starts from.'),
      masterDigest: sha256Digest.optional(),
    })
    .optional(),
  lastFailure: z
    .strictObject({
      pod: z.string(),
      exitCode: z.int(),
      code: z.string().describe('Stable error code of the pod, or its reason.'),
      message: z.string(),
      node: z.string().optional(),
      step: z.int().optional().describe('Optimizer steps done when it failed, as far as reported.'),
      at: z.string().optional(),
    })
    .optional(),
  usage: z
    .strictObject({
      activeSince: z.string().optional().describe('Start of the interval that is not counted yet.'),
      activeSeconds: z.int().nonnegative(),
      gpuSeconds: z.int().nonnegative().describe('Seconds x GPUs that the pods held.'),
    })
    .optional()
    .describe('Of finished intervals; the time since activeSince comes on top.'),
  progress: stageProgress
    .optional()
    .describe("Last report of the stage's pods; written by the progress endpoint."),
});

export const longpoTrainingStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  state: z
    .enum([
      'Pending',
      'Fetching',
      'Generating',
      'Training',
      'Verifying',
      'Serving',
      'Suspended',
      'Succeeded',
      'Failed',
    ])
    .optional()
    .describe('For people and the STATE column; clients read conditions.'),
  currentStage: z.string().optional(),
  progress: z.string().optional().describe('For people: share of the current step, for instance 40%.'),
  finishedAt: z.string().optional(),
  gpus: z.int().optional().describe('GPUs that the current Job asks for.'),
  gpuSeconds: z.int().nonnegative().optional().describe('Of all stages.'),
  conditions: conditions.optional(),
  model: z.strictObject({ path: z.string(), digest: sha256Digest, facts: modelFacts }).optional(),
  fetchProgress: stageProgress.optional(),
  stages: z
    .array(stageStatus)
    .max(16)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional(),
  servingRef: z.strictObject({ name: z.string() }).optional(),
  url: z.string().optional(),
});

export type StageStatus = z.infer<typeof stageStatus>;
export type StageProgress = z.infer<typeof stageProgress>;
export type LongPOTrainingStatus = z.infer<typeof longpoTrainingStatus>;
