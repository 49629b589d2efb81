/**
 * The decoder as one ONNX graph. Hidden states are [batch, tokens, hidden]; keys and values live in buffers of the
 * caller that are input and output at once. Only the positions that `logits_at` names reach the last MLP and head.
 */
import type { Architecture } from '../architecture.ts';
import { embeddingName, finalNormName, headName, layerPrefix, type Tensors } from '../tensors.ts';
import { attention, declareNewPositions } from './attention.ts';
import { declareInputs, declareOutputs } from './bindings.ts';
import { type Context, type KvElementType, norm } from './context.ts';
import { elementType, OnnxGraph } from './onnx.ts';
import { floatProjections, type QuantizedWeights, quantizedProjections } from './projections.ts';

interface Hidden {
  /** The normalised input of the next block. */
  readonly normed: string;
  readonly residual: string;
}

export interface DecoderGraphOptions {
  readonly kvType: KvElementType;
  /** The rows of a run may be tokens of one sequence; with float32 keys and values only. */
  readonly staged: boolean;
}

/** `tensors` are the model's own files; `quantized` replaces all of them but the embedding's rows. */
export function decoderGraph(
  architecture: Architecture,
  tensors: Tensors,
  quantized: QuantizedWeights | null,
  { kvType, staged }: DecoderGraphOptions,
): Uint8Array {
  const graph = new OnnxGraph();
  const projections = quantized
    ? quantizedProjections(graph, tensors, quantized)
    : floatProjections(graph, tensors);
  const newPositions = staged ? declareNewPositions(graph) : null;
  const context: Context = { graph, architecture, projections, kvType, newPositions };
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

/** Rows of the embedding are taken as stored and cast after: the table itself is never copied. */
function embed({ graph }: Context, tensors: Tensors): string {
  const tensor = tensors.get(embeddingName);
  if (!tensor) throw new Error(`no tensor ${embeddingName}`);
  const rows = graph.node('Gather', [graph.external(tensor), 'input_ids'], ['embedded:stored']);
  if (tensor.dtype === 'F32') return rows;
  return graph.node('Cast', [rows], ['embedded'], { attributes: { to: { int: elementType.FLOAT } } });
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
