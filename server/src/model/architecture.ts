/** config.json as the numbers of a decoder; refuses what the graph does not compute. */
import { modelConfig } from '@longpo/api';
import * as z from 'zod';
import { ModelError } from './model-error.ts';

export interface Architecture {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly vocabularySize: number;
  readonly maxPositionEmbeddings: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly tiedEmbeddings: boolean;
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  /** RMSNorm over each head of queries and keys (Qwen3). */
  readonly queryKeyNorm: boolean;
}

/** Fields that only decide whether a model is refused. */
const servedModelConfig = modelConfig.extend({
  use_sliding_window: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  rope_scaling: z.looseObject({ rope_type: z.string().optional(), type: z.string().optional() }).nullish(),
});
type ServedModelConfig = z.infer<typeof servedModelConfig>;

type Variant = (
  config: ServedModelConfig,
) => Pick<Architecture, 'queryKeyValueBias' | 'outputBias' | 'queryKeyNorm'>;

const plain: Variant = (config) => ({
  queryKeyValueBias: config.attention_bias,
  outputBias: config.attention_bias,
  queryKeyNorm: false,
});

const variants = new Map<string, Variant>([
  ['LlamaForCausalLM', plain],
  ['MistralForCausalLM', plain],
  ['Qwen2ForCausalLM', () => ({ queryKeyValueBias: true, outputBias: false, queryKeyNorm: false })],
  ['Qwen3ForCausalLM', (config) => ({ ...plain(config), queryKeyNorm: true })],
]);

/** Llama's own default, for a config that names no theta at all. */
const defaultTheta = 10_000;

const unsupported = (file: string, field: string, found: unknown, rule: string): ModelError =>
  new ModelError('MODEL_UNSUPPORTED', `${file}: ${field} is ${JSON.stringify(found)}; ${rule}`);

function refuse(file: string, config: ServedModelConfig): void {
  const ropeType =
    config.rope_parameters?.rope_type ?? config.rope_scaling?.rope_type ?? config.rope_scaling?.type;
  if (ropeType !== undefined && ropeType !== 'default') {
    throw unsupported(
      file,
      'rope_type',
      ropeType,
      'only "default" is computed; set rope theta to read further',
    );
  }
  if (config.sliding_window != null && config.use_sliding_window !== false) {
    throw unsupported(file, 'sliding_window', config.sliding_window, 'only full attention is computed');
  }
  if (config.hidden_act !== 'silu')
    throw unsupported(file, 'hidden_act', config.hidden_act, 'only "silu" is computed');
  if (config.mlp_bias) throw unsupported(file, 'mlp_bias', true, 'only MLPs without bias are computed');
}

/** Reads the parsed JSON of `file`. */
export function architectureOf(file: string, json: unknown): Architecture {
  const parsed = servedModelConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('.') || '(root)';
    throw new ModelError(
      'MODEL_INVALID',
      `${file}: field ${field}: ${issue?.message ?? 'not a model config'}`,
    );
  }
  const config = parsed.data;
  const name = config.architectures[0] ?? '';
  const variant = variants.get(name);
  if (!variant) {
    throw unsupported(file, 'architectures[0]', name, `supported are ${[...variants.keys()].join(', ')}`);
  }
  refuse(file, config);
  const queryHeads = config.num_attention_heads;
  const keyValueHeads = config.num_key_value_heads ?? queryHeads;
  if (queryHeads % keyValueHeads !== 0) {
    throw unsupported(
      file,
      'num_key_value_heads',
      keyValueHeads,
      `it must divide num_attention_heads (${queryHeads})`,
    );
  }
  return {
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    queryHeads,
    keyValueHeads,
    headDim: config.head_dim ?? config.hidden_size / queryHeads,
    vocabularySize: config.vocab_size,
    maxPositionEmbeddings: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    ropeTheta: config.rope_parameters?.rope_theta ?? config.rope_theta ?? defaultTheta,
    tiedEmbeddings: config.tie_word_embeddings,
    ...variant(config),
  };
}
