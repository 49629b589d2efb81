/** What the planner and the controller need to know of a model; read once by the fetch role from config.json. */
import * as z from 'zod';

const count = z.int().positive();

export const modelFacts = z
  .strictObject({
    architecture: z.string().describe('Class name from config.json, for instance LlamaForCausalLM.'),
    layers: count,
    hiddenSize: count,
    intermediateSize: count,
    attentionHeads: count.describe('Query heads; the sequence-parallel degree cannot exceed them.'),
    keyValueHeads: count,
    headDim: count,
    vocabularySize: count,
    maxPositionEmbeddings: count,
    ropeTheta: z.number().positive(),
    parameters: count.describe('Number of weights, from the safetensors headers; tied weights count once.'),
  })
  .describe('Shape of the model.');

export type ModelFacts = z.infer<typeof modelFacts>;
