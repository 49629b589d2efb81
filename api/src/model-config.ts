/** config.json of a Hugging Face model folder: the fields that the engine honours, under transformers' names. */
import * as z from 'zod';

const count = z.int().positive();

export const modelConfig = z
  .object({
    architectures: z.array(z.string()).min(1),
    hidden_size: count,
    intermediate_size: count,
    num_hidden_layers: count,
    num_attention_heads: count,
    num_key_value_heads: count.optional(),
    head_dim: count.nullish(),
    vocab_size: count,
    max_position_embeddings: count,
    rms_norm_eps: z.number().positive(),
    rope_theta: z.number().positive().optional(),
    rope_parameters: z
      .looseObject({ rope_theta: z.number().positive().optional(), rope_type: z.string().optional() })
      .nullish(),
    rope_scaling: z.looseObject({ rope_type: z.string().optional() }).nullish(),
    tie_word_embeddings: z.boolean().default(false),
    hidden_act: z.string().default('silu'),
    attention_bias: z.boolean().default(false),
    sliding_window: z.number().nullish(),
    eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  })
  .describe('Unknown keys are allowed: config.json carries many that do not change the computation.');

export type ModelConfig = z.infer<typeof modelConfig>;
