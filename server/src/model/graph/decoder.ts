/**
 * The decoder as one ONNX graph. Hidden states are [batch, tokens, hidden]; keys and values live in buffers of the
 * caller that are input and output at once. Only the positions that `logits_at` names reach the last MLP and head.
 */
import type { Architecture } from '../architecture.ts';
import { embeddingName, finalNormName, headName, layerPrefix, type Tensors } from '../tensors.ts';
import { elementType, OnnxGraph } from './onnx.ts';
import {
  floatProjections,
  type Projections,
  type QuantizedWeights,
  quantizedProjections,
} from './projections.ts';

export const decoderInputs = ['input_ids', 'logits_at', 'seqlens_k', 'total_length', 'cos', 'sin'] as const;
export const pastNames = (layer: number): [string, string] => [`past_key.${layer}`, `past_value.${layer}`];
export const presentNames = (layer: number): [string, string] => [
  `present_key.${layer}`,
  `present_value.${layer}`,
];

/** Floats by which int8 keys and values are multiplied, one a head and dimension; inputs with int8 only. */
export const scaleNames = (layer: number): [string, string] => [`key_scale.${layer}`, `value_scale.${layer}`];

/**
 * The attention kernel takes only heads whose halves are multiples of 8, the halves that the rotation pairs. Others
 * are padded with zeros, each half at its end; zeros change no score.
 */
export const paddedHeadDim = ({ headDim }: Architecture): number => Math.ceil(headDim / 16) * 16;

interface Context {
  readonly graph: OnnxGraph;
  readonly architecture: Architecture;
  readonly projections: Projections;
  /** Of keys and values. */
  readonly kvType: typeof elementType.FLOAT | typeof elementType.INT8;
}

interface Hidden {
  /** The normalised input of the next block. */
  readonly normed: string;
  readonly residual: string;
}

/** `tensors` are the model's own files; `quantized` replaces all of them but the embedding's rows. */
export function decoderGraph(
  architecture: Architecture,
  tensors: Tensors,
  quantized: QuantizedWeights | null,
  kvType: Context['kvType'] = elementType.FLOAT,
): Uint8Array {
  const graph = new OnnxGraph();
  const projections = quantized
    ? quantizedProjections(graph, tensors, quantized)
    : floatProjections(graph, tensors);
  const context: Context = { graph, architecture, projections, kvType };
  declareInputs(context);
  const embedded = embed(context, tensors);
  const scale = projections.vector(`${layerPrefix(0)}input_layernorm.weight`);
  let hidden: Hidden = { normed: norm(context, embedded, scale, 'normed.0'), residual: embedded };
  for (let layer = 0; layer < architecture.layers; layer++) hidden = decoderLayer(context, layer, hidden);
  projections.project(hidden.normed, headName(architecture), null, 'logits');
  graph.output('logits', elementType.FLOAT, ['batch', 'positions', architecture.vocabularySize]);
  declareOutputs(context);
  return graph.encode();
}

function declareInputs({ graph, architecture, kvType }: Context): void {
  const half = paddedHeadDim(architecture) / 2;
  graph.input('input_ids', elementType.INT64, ['batch', 'tokens']);
  graph.input('logits_at', elementType.INT64, ['positions']);
  graph.input('seqlens_k', elementType.INT32, ['batch']);
  graph.input('total_length', elementType.INT32, []);
  graph.input('cos', elementType.FLOAT, ['capacity', half]);
  graph.input('sin', elementType.FLOAT, ['capacity', half]);
  const shape = ['batch', architecture.keyValueHeads, 'capacity', paddedHeadDim(architecture)];
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const name of pastNames(layer)) graph.input(name, kvType, shape);
  }
  if (kvType === elementType.FLOAT) return;
  const scaleShape = [1, architecture.keyValueHeads, 1, paddedHeadDim(architecture)];
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const name of scaleNames(layer)) graph.input(name, elementType.FLOAT, scaleShape);
  }
}

function declareOutputs({ graph, architecture, kvType }: Context): void {
  const shape = ['batch', architecture.keyValueHeads, 'capacity', paddedHeadDim(architecture)];
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const name of presentNames(layer)) graph.output(name, kvType, shape);
  }
}

/** Rows of the embedding are taken as stored and cast after: the table itself is never copied. */
function embed({ graph }: Context, tensors: Tensors): string {
  const tensor = tensors.get(embeddingName);
  if (!tensor) throw new Error(`no tensor ${embeddingName}`);
  const rows = graph.node('Gather', [graph.external(tensor), 'input_ids'], ['embedded:stored']);
  if (tensor.dtype === 'F32') return rows;
  return graph.node('Cast', [rows], ['embedded'], { attributes: { to: { int: elementType.FLOAT } } });
}

function norm({ graph, architecture }: Context, x: string, scale: string, output: string): string {
  return graph.node('SimplifiedLayerNormalization', [x, scale], [output], {
    attributes: { epsilon: { float: architecture.normEpsilon }, axis: { int: -1 }, stash_type: { int: 1 } },
  });
}

/** residual + x, and its norm, in one pass. */
function addAndNorm(
  { graph, architecture }: Context,
  hidden: string,
  x: string,
  scale: string,
  at: string,
): Hidden {
  const outputs = [`${at}normed`, '', '', `${at}residual`];
  graph.node('SkipSimplifiedLayerNormalization', [hidden, x, scale], outputs, {
    domain: 'com.microsoft',
    attributes: { epsilon: { float: architecture.normEpsilon } },
  });
  return { normed: `${at}normed`, residual: `${at}residual` };
}

function decoderLayer(context: Context, layer: number, hidden: Hidden): Hidden {
  const { architecture, projections, graph } = context;
  const prefix = layerPrefix(layer);
  const last = layer === architecture.layers - 1;
  const attended = attention(context, layer, hidden.normed);
  // After the last attention the tokens no longer meet, so the others need not go on.
  const take = (x: string): string =>
    last ? graph.node('Gather', [x, 'logits_at'], [`${x}:taken`], { attributes: { axis: { int: 1 } } }) : x;
  const bias = architecture.outputBias ? `${prefix}self_attn.o_proj.bias` : null;
  const mixed = projections.project(
    take(attended),
    `${prefix}self_attn.o_proj.weight`,
    bias,
    `${prefix}mixed`,
  );
  const scale = projections.vector(`${prefix}post_attention_layernorm.weight`);
  const middle = addAndNorm(context, take(hidden.residual), mixed, scale, `${prefix}post_attention.`);
  const out = feedForward(context, prefix, middle.normed);
  const nextScale = last ? finalNormName : `${layerPrefix(layer + 1)}input_layernorm.weight`;
  return addAndNorm(context, middle.residual, out, projections.vector(nextScale), `${prefix}output.`);
}

function attention(context: Context, layer: number, x: string): string {
  const { graph, architecture, projections, kvType } = context;
  const { queryHeads, keyValueHeads, headDim } = architecture;
  const prefix = `${layerPrefix(layer)}self_attn.`;
  const weights = ['q_proj', 'k_proj', 'v_proj'].map((name) => `${prefix}${name}.weight`);
  const biases = architecture.queryKeyValueBias
    ? ['q_proj', 'k_proj', 'v_proj'].map((n) => `${prefix}${n}.bias`)
    : null;
  const projected = projections.projectStack(x, weights, biases, `${prefix}qkv`);
  const window = architecture.slidingWindows[layer] ?? null;
  const inputs = [...attentionInputs(context, prefix, projected), ...pastNames(layer)];
  const scales = ['', '', '', ...scaleNames(layer)];
  const attended = graph.node(
    'GroupQueryAttention',
    [...inputs, 'seqlens_k', 'total_length', 'cos', 'sin', ...(kvType === elementType.INT8 ? scales : [])],
    [`${prefix}attended`, ...presentNames(layer)],
    {
      domain: 'com.microsoft',
      attributes: {
        num_heads: { int: queryHeads },
        kv_num_heads: { int: keyValueHeads },
        do_rotary: { int: 1 },
        rotary_interleaved: { int: 0 },
        scale: { float: headDim ** -0.5 },
        ...(window === null ? {} : { local_window_size: { int: window } }),
        ...(kvType === elementType.INT8 ? int8Attributes : {}),
      },
    },
  );
  return paddedHeadDim(architecture) === headDim ? attended : unpaddedHeads(context, attended);
}

/** Queries, keys and values; packed in the first of three where nothing has to be done with them. */
const int8Attributes = {
  k_quant_type: { string: 'PER_CHANNEL' },
  v_quant_type: { string: 'PER_CHANNEL' },
  kv_cache_bit_width: { int: 8 },
};

function attentionInputs(context: Context, prefix: string, projected: readonly string[]): string[] {
  const { architecture } = context;
  const padded = paddedHeadDim(architecture) !== architecture.headDim;
  if (!padded && !architecture.queryKeyNorm)
    return [projected[0] ?? '', projected[1] ?? '', projected[2] ?? ''];
  const apart = projected.length === 3 ? projected : split(context, prefix, projected);
  const normed = architecture.queryKeyNorm ? normalizedHeads(context, prefix, apart) : apart;
  return padded ? paddedHeads(context, normed) : [...normed];
}

/** Runs `compute` on [batch, tokens, heads, from], whose last dimension it makes `to`. */
function perHead(
  { graph }: Context,
  x: string,
  heads: number,
  [from, to]: readonly [from: number, to: number],
  compute: (rows: string) => string,
): string {
  const apart = graph.constant(`${x}:heads`, [0, 0, heads, from]);
  const together = graph.constant(`${x}:width`, [0, 0, heads * to]);
  const rows = compute(graph.node('Reshape', [x, apart], [`${x}:apart`]));
  return graph.node('Reshape', [rows, together], [`${x}:together`]);
}

/** Qwen3 normalises every head of queries and keys before the rotation. */
function normalizedHeads(
  context: Context,
  prefix: string,
  [query = '', key = '', value = '']: readonly string[],
): string[] {
  const { architecture, projections } = context;
  const { queryHeads, keyValueHeads, headDim } = architecture;
  const normed = (x: string, heads: number, scale: string): string =>
    perHead(context, x, heads, [headDim, headDim], (rows) =>
      norm(context, rows, projections.vector(`${prefix}${scale}.weight`), `${x}:normed`),
    );
  return [normed(query, queryHeads, 'q_norm'), normed(key, keyValueHeads, 'k_norm'), value];
}

function paddedHeads(context: Context, projected: readonly string[]): string[] {
  const { graph, architecture } = context;
  const { queryHeads, keyValueHeads, headDim } = architecture;
  const [half, padded] = [headDim / 2, paddedHeadDim(architecture) / 2];
  return projected.map((x, i) =>
    perHead(context, x, 2 * (i === 0 ? queryHeads : keyValueHeads), [half, padded], (rows) => {
      const ends = graph.constant(`${x}:padding`, [0, 0, 0, 0, 0, 0, 0, padded - half]);
      return graph.node('Pad', [rows, ends], [`${x}:padded`]);
    }),
  );
}

function unpaddedHeads(context: Context, x: string): string {
  const { graph, architecture } = context;
  const { queryHeads, headDim } = architecture;
  const [half, padded] = [headDim / 2, paddedHeadDim(architecture) / 2];
  return perHead(context, x, 2 * queryHeads, [padded, half], (rows) => {
    const [from, to, axis] = [0, half, 3].map((value, i) => graph.constant(`${x}:slice.${i}`, [value]));
    return graph.node('Slice', [rows, from ?? '', to ?? '', axis ?? ''], [`${x}:unpadded`]);
  });
}

function split({ graph, architecture }: Context, prefix: string, [packed = '']: readonly string[]): string[] {
  const { queryHeads, keyValueHeads, headDim } = architecture;
  const widths = [queryHeads, keyValueHeads, keyValueHeads].map((heads) => heads * headDim);
  const outputs = ['q', 'k', 'v'].map((name) => `${prefix}${name}`);
  graph.node('Split', [packed, graph.constant(`${prefix}widths`, widths)], outputs, {
    attributes: { axis: { int: -1 } },
  });
  return outputs;
}

function feedForward(context: Context, prefix: string, x: string): string {
  const { graph, architecture, projections } = context;
  const project = (input: string, name: string): string => {
    const at = `${prefix}mlp.${name}_proj`;
    const bias = architecture.feedForwardBias ? `${at}.bias` : null;
    return projections.project(input, `${at}.weight`, bias, `${prefix}${name}`);
  };
  const gate = project(x, 'gate');
  const up = project(x, 'up');
  const sigmoid = graph.node('Sigmoid', [gate], [`${prefix}sigmoid`]);
  const silu = graph.node('Mul', [gate, sigmoid], [`${prefix}silu`]);
  return project(graph.node('Mul', [silu, up], [`${prefix}product`]), 'down');
}
