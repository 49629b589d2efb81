/**
 * The flags of the original training command (train_longpo.py and transformers' TrainingArguments) with their
 * defaults; names are theirs, in camelCase. Shared by the LongPOTraining spec and the train role's config.
 */
import * as z from 'zod';

const rate = z.number().nonnegative();

export const trainHyperparameters = z.strictObject({
  method: z
    .enum(['longpo', 'dpo', 'sft'])
    .default('longpo')
    .describe(
      'longpo: reference on the short chunk; dpo: reference on the long document; sft: chosen answers only, no reference.',
    ),
  beta: z
    .number()
    .positive()
    .default(0.01)
    .describe('Scale of the implicit reward (Eq. 12). The paper uses 0.1.'),
  lambda: rate.default(0.01).describe('Weight of the preference term beside the NLL term (Eq. 14).'),
  nllWeight: rate.default(1).describe('Weight of the NLL term; 0 leaves the preference term alone.'),
  multiTurnLoss: z
    .enum(['joint', 'perTurn'])
    .default('joint')
    .describe(
      'joint: one preference term for the log-probs of all turns together, as released; perTurn: the mean of one for each turn.',
    ),
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
  gradientCheckpointingLayers: z
    .int()
    .positive()
    .default(1)
    .describe('Layers that are recomputed together: more keep fewer inputs and need more memory at once.'),
  gradientCheckpointingOffload: z
    .boolean()
    .default(false)
    .describe('Keep the inputs of the layers in pinned memory of the host; GPUs only.'),
  tiledMlpShards: z
    .int()
    .positive()
    .default(1)
    .describe('Parts of the sequence that a layer runs its MLP on one after another; 1 switches it off.'),
  saveSteps: z.int().positive().default(500).describe('Optimizer steps between step checkpoints.'),
  saveTotalLimit: z
    .int()
    .positive()
    .default(2)
    .describe('Step checkpoints of a stage that are kept; older ones are deleted.'),
  loggingSteps: z.int().positive().default(1).describe('Optimizer steps between lines of metrics.jsonl.'),
  evalFraction: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .describe('Share of the rows that is held out: never trained on, only evaluated.'),
  evalSteps: z.int().positive().default(50).describe('Optimizer steps between evaluations of held-out rows.'),
  onNonFiniteLoss: z
    .enum(['stop', 'skip'])
    .default('stop')
    .describe('stop ends with exit code 70, skip leaves the step out; both save the batch.'),
  ddpTimeout: z
    .int()
    .positive()
    .default(1800)
    .describe(
      'Seconds that a rank waits for the others before the gang ends; above the time of a micro-step.',
    ),
  reportTo: z
    .enum(['none', 'tensorboard', 'wandb'])
    .default('none')
    .describe('Where metrics go besides metrics.jsonl; the package must be in the trainer image.'),
  exportDtype: z.enum(['bf16', 'f32']).default('bf16').describe('Of the published checkpoint.'),
});

/** CEL, for the spec: fields that contradict each other. An API server also tries them on the object's default, {}. */
export const trainRules = [
  {
    rule: "!has(self.nllWeight) || self.nllWeight > 0.0 || ((!has(self.method) || self.method != 'sft') && (!has(self.lambda) || self.lambda > 0.0))",
    message: 'nllWeight is 0 and there is no preference term, so there is no loss: give a weight',
    fieldPath: '.nllWeight',
  },
  {
    rule: '!has(self.gradientCheckpointing) || self.gradientCheckpointing || ((!has(self.gradientCheckpointingLayers) || self.gradientCheckpointingLayers == 1) && (!has(self.gradientCheckpointingOffload) || !self.gradientCheckpointingOffload))',
    message:
      'gradientCheckpointingLayers and gradientCheckpointingOffload are about what checkpointing keeps: leave gradientCheckpointing at true',
    fieldPath: '.gradientCheckpointing',
  },
];

export type TrainHyperparameters = z.infer<typeof trainHyperparameters>;
