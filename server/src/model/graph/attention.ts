/**
 * Attention of one layer: projections, rotation, new keys and values into the caller's buffers, softmax, sum.
 *
 * ONNX Runtime has two CPU kernels. The tiled one keeps no matrix of scores, which a chunk of a long prompt needs. For a
 * single token it multiplies vectors slowly; there the other one, whose scores are one row a head, calls matrix products
 * made for one row, if their factor is 1: so the tables of the rotation carry the scale of the scores (../../engine/rotary.ts).
 */
import { layerPrefix } from '../tensors.ts';
import { kvDimensions, paddedHeadDim, pastNames, presentNames, scaleNames, stagedNames } from './bindings.ts';
import { type Context, type NewPositions, norm } from './context.ts';
import { elementType, type OnnxGraph } from './onnx.ts';

export function attention(context: Context, layer: number, x: string): string {
  const { graph, architecture, projections, kvType, newPositions } = context;
  const prefix = `${layerPrefix(layer)}self_attn.`;
  const weights = ['q_proj', 'k_proj', 'v_proj'].map((name) => `${prefix}${name}.weight`);
  const biases = architecture.queryKeyValueBias
    ? ['q_proj', 'k_proj', 'v_proj'].map((n) => `${prefix}${n}.bias`)
    : null;
  const projected = projections.projectStack(x, weights, biases, `${prefix}qkv`);
  const inputs = attentionInputs(context, prefix, projected);
  const past = newPositions ? stage(context, layer, prefix, inputs, newPositions) : pastNames(layer);
  const attended = `${prefix}attended`;
  const present = presentNames(layer);
  const attend = (kernel: Kernel, outputs: readonly string[]): void =>
    attendWith(kernel, context, layer, [...inputs, ...past], outputs);
  if (kvType === elementType.FLOAT) {
    const kv = { type: kvType, dimensions: kvDimensions(architecture) };
    const outputs = [
      { name: attended, type: elementType.FLOAT, dimensions: ['batch', 'tokens', 'width'] },
      ...present.map((name) => ({ name, ...kv })),
    ];
    graph.choose('one_token', outputs, {
      whenTrue: (names) => attend('rows', names),
      whenFalse: (names) => attend('tiles', names),
    });
  } else attend('tiles', [attended, ...present]);
  return paddedHeadDim(architecture) === architecture.headDim ? attended : unpaddedHeads(context, attended);
}

type Kernel = 'rows' | 'tiles';

const int8Attributes = {
  k_quant_type: { string: 'PER_CHANNEL' },
  v_quant_type: { string: 'PER_CHANNEL' },
  kv_cache_bit_width: { int: 8 },
};

function attendWith(
  kernel: Kernel,
  context: Context,
  layer: number,
  inputs: readonly string[],
  outputs: readonly string[],
): void {
  const { graph, architecture, kvType } = context;
  const { queryHeads, keyValueHeads } = architecture;
  const window = architecture.slidingWindows[layer] ?? null;
  const isInt8 = kvType === elementType.INT8;
  // A sink of weight exp(-inf) = 0 changes no sum, and the tiled kernel knows no sinks.
  const sink =
    kernel === 'rows' ? graph.floats('no_sink', new Array<number>(queryHeads).fill(-Infinity)) : '';
  const scales = isInt8 ? scaleNames(layer) : [];
  graph.node(
    'GroupQueryAttention',
    [...inputs, 'seqlens_k', 'total_length', 'cos', 'sin', '', '', sink, ...scales],
    outputs,
    {
      domain: 'com.microsoft',
      attributes: {
        num_heads: { int: queryHeads },
        kv_num_heads: { int: keyValueHeads },
        do_rotary: { int: 1 },
        rotary_interleaved: { int: 0 },
        scale: { float: 1 },
        ...(window === null ? {} : { local_window_size: { int: window } }),
        ...(isInt8 ? int8Attributes : {}),
      },
    },
  );
}

/**
 * Writes new keys and values before attention writes the same again: there each row of a run would write its own, while
 * another thread already reads them for a later row of the same sequence. Returns the buffers' names from then on.
 */
function stage(
  context: Context,
  layer: number,
  prefix: string,
  [query = '', key = '', value = '']: readonly string[],
  { all, first }: NewPositions,
): string[] {
  const { graph } = context;
  const [, k = '', v = ''] = key === '' ? split(context, prefix, [query]) : [query, key, value];
  const rotated = graph.node(
    'RotaryEmbedding',
    [headsFirst(context, k), all, 'cos', 'sin'],
    [`${prefix}rotated`],
    { domain: 'com.microsoft' },
  );
  const [pastKey, pastValue] = pastNames(layer);
  const [stagedKey, stagedValue] = stagedNames(layer);
  const attributes = { axis: { int: 2 } };
  graph.node('TensorScatter', [pastKey, rotated, first], [stagedKey], { attributes });
  graph.node('TensorScatter', [pastValue, headsFirst(context, v), first], [stagedValue], { attributes });
  return [stagedKey, stagedValue];
}

/** Keys or values, [batch, tokens, heads * size], as [batch, heads, tokens, size]. */
function headsFirst({ graph, architecture }: Context, x: string): string {
  const apart = headsApart(graph, x, architecture.keyValueHeads, paddedHeadDim(architecture));
  return graph.node('Transpose', [apart], [`${x}:heads_first`], {
    attributes: { perm: { ints: [0, 2, 1, 3] } },
  });
}

/** [batch, tokens, heads * size] as [batch, tokens, heads, size]. */
const headsApart = (graph: OnnxGraph, x: string, heads: number, size: number): string =>
  graph.node('Reshape', [x, graph.constant(`${x}:heads`, [0, 0, heads, size])], [`${x}:apart`]);

export function declareNewPositions(graph: OnnxGraph): NewPositions {
  const names = { all: 'new_positions', first: 'first_position' };
  const [zero, one] = [graph.constant('zero', [0]), graph.constant('one', [1])];
  const attributes = { to: { int: elementType.INT64 } };
  const last = graph.node('Cast', ['seqlens_k'], ['last_position'], { attributes });
  const count = graph.node('Shape', ['input_ids'], ['tokens'], { attributes: { start: { int: 1 } } });
  graph.node('Sub', [last, graph.node('Sub', [count, one], ['tokens_before_last'])], [names.first]);
  const scalar = (x: string): string => graph.node('Squeeze', [x], [`${x}:scalar`]);
  const offsets = graph.node('Range', [zero, count, one].map(scalar), ['token_offsets']);
  graph.node('Add', [graph.node('Unsqueeze', [names.first, one], ['first_positions']), offsets], [names.all]);
  return names;
}

/** Queries, keys and values; packed in the first of three where nothing has to be done with them. */
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
  const together = graph.constant(`${x}:width`, [0, 0, heads * to]);
  const rows = compute(headsApart(graph, x, heads, from));
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
