/** LongPOTraining: the pipeline. One stage per context length, each starting from the one before it. */
import * as z from 'zod';
import { generationSettings } from './generation.ts';
import { apiVersion, kinds } from './group.ts';
import { trainHyperparameters, trainRules } from './hyperparameters.ts';
import { servingRules, servingSettings } from './longpo-serving.ts';
import { longpoTrainingStatus } from './longpo-training-status.ts';
import { folderUri, metadata, modelUri } from './object-meta.ts';
import { quantization } from './pod-contract/role-config.ts';
import { podTemplate, quantity, roleResources } from './pod-template.ts';

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
      evalUri: folderUri
        .optional()
        .describe('Held-out rows (.jsonl) to evaluate on; unset: train.evalFraction of the others.'),
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
    suspend: z
      .boolean()
      .default(false)
      .describe('Stops the pods after they have saved; false again lets them go on from there.'),
    storage: z
      .strictObject({
        claimName: z
          .string()
          .min(1)
          .max(63)
          .default('longpo')
          .describe('PersistentVolumeClaim, ReadWriteMany.'),
        size: quantity
          .optional()
          .describe('Creates the claim with this size when there is none of that name.'),
        storageClassName: z
          .string()
          .max(253)
          .optional()
          .describe('Of a created claim; unset is the default class.'),
        whenDeleted: z
          .enum(['Retain', 'Delete'])
          .default('Retain')
          .describe(
            'What becomes of a created claim, and of the checkpoints on it, when the training is deleted.',
          ),
      })
      .prefault({})
      .describe('The one volume that holds models, data and checkpoints.')
      .meta({
        'x-kubernetes-validations': [
          {
            rule: 'has(self.size) || !has(self.storageClassName)',
            message: 'storageClassName is of a claim that is created: set size too',
            fieldPath: '.storageClassName',
          },
          {
            rule: "has(self.size) || !has(self.whenDeleted) || self.whenDeleted == 'Retain'",
            message:
              'a claim that was not created here is not deleted here: set size, or leave whenDeleted at Retain',
            fieldPath: '.whenDeleted',
          },
        ],
      }),
    podTemplate: podTemplate.prefault({}),
    resources: z
      .strictObject({
        fetch: roleResources.optional(),
        generate: roleResources.optional(),
        train: roleResources
          .optional()
          .describe("Of each train pod; GPUs are spec.stages[].parallelism's ranks in a pod."),
        verify: roleResources.optional(),
        serve: roleResources.optional(),
      })
      .prefault({})
      .describe("Requests and limits of each role's container."),
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
    train: trainHyperparameters
      .prefault({})
      .describe('Flags of the original training command.')
      .meta({ 'x-kubernetes-validations': trainRules }),
    restarts: z
      .strictObject({
        maxPerStage: z
          .int()
          .nonnegative()
          .max(100)
          .default(5)
          .describe('Failures of one stage within the window before the training fails.'),
        windowSeconds: z
          .int()
          .positive()
          .default(21_600)
          .describe('A failure that is older no longer counts.'),
        stallAfterSeconds: z
          .int()
          .min(10)
          .default(3600)
          .describe(
            'A Job whose reported progress stands still for so long is started again; counts as a failure.',
          ),
      })
      .prefault({})
      .describe('Evicted pods and pods that ask to be started again (exit code 75) never count.'),
    activeDeadlineSeconds: z
      .int()
      .positive()
      .optional()
      .describe('Time that Jobs may run in all stages together; suspended time does not count, restarts do.'),
    ttlSecondsAfterFinished: z
      .int()
      .nonnegative()
      .optional()
      .describe('Deletes the training, with all that it owns, so long after it has succeeded or failed.'),
    checkpoints: z
      .strictObject({
        retain: z
          .enum(['All', 'Published'])
          .default('All')
          .describe(
            "Published deletes a stage's step checkpoints once its checkpoint is verified, and its f32 master weights once the next stage's is.",
          ),
      })
      .prefault({}),
    serving: z
      .strictObject({
        enabled: z.boolean().default(true),
        quantization: servingSettings.shape.quantization,
        parallelSequences: servingSettings.shape.parallelSequences,
        engine: servingSettings.shape.engine,
        tensorParallelSize: servingSettings.shape.tensorParallelSize,
      })
      .prefault({})
      .describe("The LongPOServing of the last stage's checkpoint, named like the training.")
      .meta({ 'x-kubernetes-validations': servingRules }),
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
export type LongPOTraining = z.infer<typeof longpoTraining>;
