/** LongPOServing: one model behind an OpenAI-compatible endpoint. */
import * as z from 'zod';
import { conditions } from './conditions.ts';
import { apiVersion, kinds } from './group.ts';
import { folderUri, metadata } from './object-meta.ts';
import { quantization } from './pod-contract/role-config.ts';
import { podTemplate, roleResources } from './pod-template.ts';

export const servingSettings = z.strictObject({
  engine: z
    .enum(['onnxruntime', 'vllm'])
    .default('onnxruntime')
    .describe('onnxruntime is the server of this project, for CPUs; vllm runs vLLM on GPUs.'),
  quantization: quantization
    .optional()
    .describe('Of engine onnxruntime; unset is int4. vLLM takes the weights as they are.'),
  tensorParallelSize: z
    .int()
    .positive()
    .max(64)
    .default(1)
    .describe('GPUs that share the model in one pod; above 1 only with vllm.'),
  maxModelLen: z.int().positive().optional().describe("Tokens of context; unset is the model's own length."),
  ropeTheta: z.number().positive().optional().describe("RoPE theta to read beyond the model's own length."),
  parallelSequences: z
    .int()
    .positive()
    .max(64)
    .default(2)
    .describe('Sequences served at once, one KV slot each.'),
});

/** Hold for a LongPOServing and for the serving of a training, whose defaults may not be filled in yet. */
export const servingRules = [
  {
    rule: "(has(self.engine) && self.engine == 'vllm') || !has(self.tensorParallelSize) || self.tensorParallelSize == 1",
    message: 'tensorParallelSize above 1 needs engine vllm',
    fieldPath: '.tensorParallelSize',
  },
  {
    rule: "!has(self.engine) || self.engine == 'onnxruntime' || !has(self.quantization)",
    message:
      'quantization is of engine onnxruntime: leave it out for vllm, which takes the weights as they are',
    fieldPath: '.quantization',
  },
];

export const longpoServingSpec = z
  .strictObject({
    model: z.strictObject({
      uri: folderUri.describe('Folder of the model: pvc://<claim>/<path> or an absolute path.'),
    }),
    storage: z.strictObject({ claimName: z.string().min(1).max(63).default('longpo') }).prefault({}),
    replicas: z.int().min(0).max(64).default(1),
    podTemplate: podTemplate.prefault({}),
    resources: roleResources.optional(),
    ...servingSettings.shape,
  })
  .meta({ 'x-kubernetes-validations': servingRules })
  .describe('What to serve. The name that requests use in their model field is metadata.name.');

export const longpoServingStatus = z.strictObject({
  observedGeneration: z.int().optional(),
  conditions: conditions.optional(),
  replicas: z.int().optional(),
  readyReplicas: z.int().optional(),
  selector: z.string().optional().describe('Labels of the pods, as the scale subresource wants them.'),
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
