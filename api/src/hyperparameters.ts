/**
 * The flags of the original training command (train_longpo.py and transformers' TrainingArguments) with their
 * defaults; names are theirs, in camelCase. Shared by the LongPOTraining spec and the train role's config.
 */
import * as z from 'zod';

const rate = z.number().nonnegative();

export const trainHyperparameters = z.strictObject({
  beta: z
    .number()
    .positive()
    .default(0.01)
    .describe('Scale of the implicit reward (Eq. 12). The paper uses 0.1.'),
  lambda: rate.default(0.01).describe('Weight of the preference term beside the NLL term (Eq. 14).'),
  learningRate: rate.default(5e-7).describe('Peak learning rate.'),
  warmupRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Share of the steps with a rising learning rate.'),
  lrSchedulerType: z.enum(['cosine', 'linear', 'constant']).default('cosine').describe('After the warmup.'),
  optim: z.enum(['rmsprop', 'adamw']).default('rmsprop').describe('Optimizer; torch defaults.'),
  weightDecay: rate.default(0).describe('Weight decay of the optimizer.'),
  maxGradNorm: rate.default(1).describe('Gradients are clipped to this norm; 0 switches it off.'),
  perDeviceTrainBatchSize: z
    .int()
    .positive()
    .default(1)
    .describe('Rows per micro-step of one data-parallel group; they run one after another.'),
  gradientAccumulationSteps: z.int().positive().default(8).describe('Micro-steps per optimizer step.'),
  numTrainEpochs: z.int().positive().default(1).describe('Passes over the rows.'),
  maxSteps: z.int().nonnegative().default(0).describe('Optimizer steps at most; 0 means all of the epochs.'),
  dtype: z
    .enum(['bf16', 'f32'])
    .default('bf16')
    .describe('Of the forward and backward pass; master weights are f32.'),
  tf32: z.boolean().default(true).describe('TF32 matrix products where the GPU has them.'),
  gradientCheckpointing: z.boolean().default(true).describe('Recompute each layer in the backward pass.'),
  saveSteps: z.int().positive().default(500).describe('Optimizer steps between step checkpoints.'),
  loggingSteps: z.int().positive().default(1).describe('Optimizer steps between lines of metrics.jsonl.'),
  reportTo: z
    .enum(['none', 'tensorboard', 'wandb'])
    .default('none')
    .describe('Where metrics go besides metrics.jsonl; the package must be in the trainer image.'),
  exportDtype: z.enum(['bf16', 'f32']).default('bf16').describe('Of the published checkpoint.'),
});

export type TrainHyperparameters = z.infer<typeof trainHyperparameters>;
