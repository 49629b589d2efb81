/** config.json as the numbers of a decoder; refuses what the graph does not compute. */
import { type Family, families, type ServedModelConfig, servedModelConfig } from './families.ts';
import { ModelError } from './model-error.ts';
import { type Rope, type RopeScaling, ropeOf } from './rope.ts';

export interface Architecture extends Family {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly vocabularySize: number;
  readonly maxPositionEmbeddings: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly tiedEmbeddings: boolean;
}

const unsupported = (file: string, field: string, found: unknown, rule: string): ModelError =>
  new ModelError('MODEL_UNSUPPORTED', `${file}: ${field} is ${JSON.stringify(found)}; ${rule}`);

const attentionTypes = ['full_attention', 'sliding_attention'];

function refuse(file: string, config: ServedModelConfig, headDim: number): void {
  const { hidden_act: act, partial_rotary_factor: rotated = 1, layer_types: types } = config;
  if (act !== 'silu') throw unsupported(file, 'hidden_act', act, 'only "silu" is computed');
  if (rotated !== 1)
    throw unsupported(file, 'partial_rotary_factor', rotated, 'only whole heads are rotated');
  if (headDim % 2 !== 0) throw unsupported(file, 'head_dim', headDim, 'the rotary embedding needs pairs');
  const unknown = types?.find((type) => !attentionTypes.includes(type));
  if (unknown !== undefined) {
    throw unsupported(file, 'layer_types', unknown, `known are ${attentionTypes.join(' and ')}`);
  }
  const { num_attention_heads: heads, num_key_value_heads: shared = heads } = config;
  if (heads % shared !== 0) {
    throw unsupported(file, 'num_key_value_heads', shared, `it must divide num_attention_heads (${heads})`);
  }
}

function parse(file: string, json: unknown): ServedModelConfig {
  const parsed = servedModelConfig.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || '(root)';
  throw new ModelError('MODEL_INVALID', `${file}: field ${field}: ${issue?.message ?? 'not a model config'}`);
}

/** The older spelling wins where a file has both, as in transformers. */
function rope(file: string, config: ServedModelConfig, headDim: number): Rope {
  const { rope_scaling: older, rope_parameters: parameters } = config;
  const [field, spelled] =
    older && Object.keys(older).length > 0
      ? (['rope_scaling', older] as const)
      : (['rope_parameters', parameters ?? {}] as const);
  return ropeOf(file, field, spelled, {
    headDim,
    maxPositionEmbeddings: config.max_position_embeddings,
    theta: config.rope_theta,
    originalMaxPositionEmbeddings: config.original_max_position_embeddings,
  });
}

/** Reads the parsed JSON of `file`. */
export function architectureOf(file: string, json: unknown): Architecture {
  const config = parse(file, json);
  const name = config.architectures[0] ?? '';
  const family = families.get(name)?.(config);
  if (!family) {
    throw unsupported(file, 'architectures[0]', name, `supported are ${[...families.keys()].join(', ')}`);
  }
  refuse(file, config, family.headDim);
  const { theta, scaling } = rope(file, config, family.headDim);
  return {
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    queryHeads: config.num_attention_heads,
    keyValueHeads: config.num_key_value_heads ?? config.num_attention_heads,
    vocabularySize: config.vocab_size,
    maxPositionEmbeddings: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    ropeTheta: theta,
    ropeScaling: scaling,
    tiedEmbeddings: config.tie_word_embeddings,
    ...family,
  };
}
