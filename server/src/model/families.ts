/** The decoder families that are served: what each class of transformers adds to the common layer, and its defaults. */
import { modelConfig } from '@longpo/api';
import * as z from 'zod';

const count = z.int().positive();

/** Fields that matter to these families, beside those that every part of LongPO reads. */
export const servedModelConfig = modelConfig.extend({
  rope_parameters: z.looseObject({}).nullish(),
  rope_scaling: z.looseObject({}).nullish(),
  original_max_position_embeddings: count.optional(),
  partial_rotary_factor: z.number().optional(),
  mlp_bias: z.boolean().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: count.nullish(),
  max_window_layers: z.int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
});
export type ServedModelConfig = z.infer<typeof servedModelConfig>;

export interface Family {
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  readonly feedForwardBias: boolean;
  /** RMSNorm over each head of queries and keys (Qwen3). */
  readonly queryKeyNorm: boolean;
  readonly headDim: number;
  /** Of each layer: how many tokens a token sees, itself included; null is all before it. */
  readonly slidingWindows: readonly (number | null)[];
}

/** transformers' own, for fields that config.json leaves out. */
const defaults = { slidingWindow: 4096, maxWindowLayers: 28, qwen3HeadDim: 128 };

const ofLayers = <Value>(config: ServedModelConfig, value: (layer: number) => Value): Value[] =>
  Array.from({ length: config.num_hidden_layers }, (_, layer) => value(layer));

const llama = (config: ServedModelConfig): Family => ({
  queryKeyValueBias: config.attention_bias,
  outputBias: config.attention_bias,
  feedForwardBias: config.mlp_bias ?? false,
  queryKeyNorm: false,
  headDim: config.head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads),
  slidingWindows: ofLayers(config, () => null),
});

/** Its class has no bias, whatever the config says; every layer slides unless the window is null. */
function mistral(config: ServedModelConfig): Family {
  const { sliding_window: window = defaults.slidingWindow } = config;
  return {
    ...llama({ ...config, attention_bias: false, mlp_bias: false }),
    slidingWindows: ofLayers(config, () => window),
  };
}

const qwen2 = (config: ServedModelConfig): Family => ({
  ...llama(config),
  queryKeyValueBias: true,
  outputBias: false,
  feedForwardBias: false,
  slidingWindows: qwenWindows(config),
});

const qwen3 = (config: ServedModelConfig): Family => ({
  ...llama(config),
  feedForwardBias: false,
  queryKeyNorm: true,
  headDim: config.head_dim ?? defaults.qwen3HeadDim,
  slidingWindows: qwenWindows(config),
});

/** The sliding layers are named, or those from max_window_layers on; without use_sliding_window there are none. */
function qwenWindows(config: ServedModelConfig): (number | null)[] {
  const { sliding_window: window = defaults.slidingWindow, layer_types: types } = config;
  const first = config.max_window_layers ?? defaults.maxWindowLayers;
  const slides = (layer: number): boolean => (types ? types[layer] === 'sliding_attention' : layer >= first);
  return ofLayers(config, (layer) => (config.use_sliding_window && slides(layer) ? window : null));
}

/** By the first of config.json's `architectures`. */
export const families: ReadonlyMap<string, (config: ServedModelConfig) => Family> = new Map([
  ['LlamaForCausalLM', llama],
  ['MistralForCausalLM', mistral],
  ['Qwen2ForCausalLM', qwen2],
  ['Qwen3ForCausalLM', qwen3],
]);
