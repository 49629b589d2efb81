/** LongPOTraining: the pipeline. One stage per context length, each starting from the one before it. */
import * as z from 'zod';
import { sha256Digest } from './checkpoint-manifest.ts';
import { conditions } from './conditions.ts';
import { generationSettings } from './generation.ts';
import { apiVersion, kinds } from './group.ts';
import { trainHyperparameters } from './hyperparameters.ts';
import { servingSettings } from './longpo-serving.ts';
import { modelFacts } from './model-facts.ts';
import { folderUri, metadata, modelUri } from './object-meta.ts';
import { quantization } from './pod-contract/role-config.ts';
import { progressReport } from './progress-report.ts';

export const trainingStage = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, { error: 'lower case letters, digits and "-"' })
    .max(12)
    .describe('Part of the names of everything the stage makes, for instance 128k.'),
  contextLength: z
    .int()
    .min(64)
    .max(16_777_216)
    .describe('Tokens of the longest branch of a row: document, questions and answers.'),
  preferences: z
    .strictObject({
      uri: folderUri.describe('A preference file of your own (.jsonl); the stage generates none.'),
    })
    .optional(),
  ropeTheta: z
    .number()
    .positive()
    .optional()
    .describe("RoPE theta of the stage; unset keeps the model's own. The 7B recipes use 1e7."),
  parallelism: z
    .strictObject({
      sequence: z
        .int()
        .positive()
        .max(1024)
        .default(1)
        .describe('Ulysses degree: the ranks that share one row.'),
      data: z
        .int()
        .positive()
        .max(1024)
        .default(1)
        .describe('Groups of such ranks, each with rows of its own.'),
      processesPerPod: z
        .int()
        .positive()
        .max(64)
        .optional()
        .describe('Ranks in one pod (GPUs of a node); unset puts up to 8 ranks into one pod.'),
    })
    .prefault({}),
});

export const longpoTrainingSpec = z
  .strictObject({
    model: z.strictObject({ uri: modelUri }).describe('The short-context instruct model to start from.'),
    documents: z
      .strictObject({ uri: folderUri.describe('Folder of long .txt, .md or .jsonl documents.') })
      .optional()
      .describe('Needed unless every stage brings preferences of its own.'),
    storage: z
      .strictObject({
        claimName: z
          .string()
          .min(1)
          .max(63)
          .default('longpo')
          .describe('PersistentVolumeClaim, ReadWriteMany.'),
      })
      .prefault({})
      .describe('The one volume that holds models, data and checkpoints.'),
    seed: z.int().nonnegative().default(42).describe('Of sampling, shuffling and generation.'),
    generate: z
      .strictObject({
        endpoint: z
          .strictObject({
            url: z.url().describe('Base URL of an OpenAI-compatible server, with /v1.'),
            model: z.string().min(1).describe('The model field of the requests.'),
          })
          .optional()
          .describe("A server of your own that runs the stage's model; unset starts one for the stage."),
        quantization: quantization.default('int8'),
        ...generationSettings.shape,
      })
      .prefault({})
      .describe('How each stage writes its preference data.'),
    train: trainHyperparameters.prefault({}).describe('Flags of the original training command.'),
    restarts: z
      .strictObject({
        maxPerStage: z
          .int()
          .nonnegative()
          .max(100)
          .default(5)
          .describe('Failed pods of one index, in one stage.'),
      })
      .prefault({}),
    serving: z
      .strictObject({
        enabled: z.boolean().default(true),
        quantization: servingSettings.shape.quantization,
        parallelSequences: servingSettings.shape.parallelSequences,
      })
      .prefault({})
      .describe("The LongPOServing of the last stage's checkpoint, named like the training."),
    stages: z
      .array(trainingStage)
      .min(1)
      .max(16)
      .meta({
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
        'x-kubernetes-validations': [
          {
            rule: 'self.map(s, s.contextLength).isSorted() && self.all(a, self.exists_one(b, b.contextLength == a.contextLength))',
            message:
              'contextLength must grow from stage to stage: each stage extends the model of the one before it',
          },
        ],
      }),
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: 'has(self.documents) || self.stages.all(s, has(s.preferences))',
        message:
          'set documents, or give every stage preferences: there is nothing to make preference data from',
        fieldPath: '.documents',
      },
      {
        rule: 'self.generate.chunkTokens.min <= self.generate.chunkTokens.max',
        message: 'generate.chunkTokens.min must not be above max',
        fieldPath: '.generate.chunkTokens.min',
      },
    ],
  });

export const stageStatus = z.strictObject({
  name: z.string(),
  state: z.enum(['Pending', 'Generating', 'Training', 'Verifying', 'Succeeded', 'Failed']),
  attempt: z.int().positive(),
  restarts: z.int().nonnegative().describe('Failed pods that counted towards the limit.'),
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
      peakMemoryBytes: z.int(),
      verified: z.boolean(),
    })
    .optional(),
  lastFailure: z
    .strictObject({
      pod: z.string(),
      exitCode: z.int(),
      code: z.string().describe('Stable error code of the pod, or its reason.'),
      message: z.string(),
    })
    .optional(),
  progress: progressReport
    .optional()
    .describe("Last report of the stage's pods; written by the progress endpoint."),
});

export const longpoTrainingStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  state: z
    .enum(['Pending', 'Fetching', 'Generating', 'Training', 'Verifying', 'Serving', 'Succeeded', 'Failed'])
    .optional()
    .describe('For people and the STATE column; clients read conditions.'),
  currentStage: z.string().optional(),
  conditions: conditions.optional(),
  model: z.strictObject({ path: z.string(), digest: sha256Digest, facts: modelFacts }).optional(),
  fetchProgress: progressReport.optional(),
  stages: z
    .array(stageStatus)
    .max(16)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional(),
  servingRef: z.strictObject({ name: z.string() }).optional(),
  url: z.string().optional(),
});

export const longpoTraining = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal(kinds.training.kind),
  metadata,
  spec: longpoTrainingSpec,
  status: longpoTrainingStatus.optional(),
});

export type TrainingStage = z.infer<typeof trainingStage>;
export type LongPOTrainingSpec = z.infer<typeof longpoTrainingSpec>;
export type LongPOTrainingInput = z.input<typeof longpoTraining>;
export type StageStatus = z.infer<typeof stageStatus>;
export type LongPOTrainingStatus = z.infer<typeof longpoTrainingStatus>;
export type LongPOTraining = z.infer<typeof longpoTraining>;
