/** Linear layers of the graph: float32 on the model's own files, or quantised weights from the cache. */
import type { FormatOf } from '../quantization/block.ts';
import type { Tensor } from '../safetensors.ts';
import type { Tensors } from '../tensors.ts';
import { elementType, type OnnxGraph } from './onnx.ts';

/** y = x W^T (+ bias). A stack of weights with the same input is computed at once where the storage allows it. */
export interface Projections {
  /** Returns the output's name. */
  project(x: string, weight: string, bias: string | null, output: string): string;
  /** The packed [queries | keys | values] of a layer, or the three apart. */
  projectStack(
    x: string,
    weights: readonly string[],
    biases: readonly string[] | null,
    output: string,
  ): string[];
  /** A float32 vector: norm weights. */
  vector(name: string): string;
}

/** float32 view of a tensor: itself, or a cast that ONNX Runtime folds when it loads the graph. */
export function castToFloat(graph: OnnxGraph, tensors: Tensors, name: string): string {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name}`);
  const stored = graph.external(tensor);
  if (tensor.dtype === 'F32') return stored;
  const attributes = { to: { int: elementType.FLOAT } };
  return graph.node('Cast', [stored], [`${name}:f32`], { attributes, atFront: true });
}

/** Each weight is cast once, however often it is used. */
function memoized(read: (name: string) => string): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    const value = known.get(name) ?? read(name);
    known.set(name, value);
    return value;
  };
}

export function floatProjections(graph: OnnxGraph, tensors: Tensors): Projections {
  const vector = memoized((name) => castToFloat(graph, tensors, name));
  const project: Projections['project'] = (x, weight, bias, output) => {
    const product = bias === null ? output : `${output}:product`;
    // Checkpoints store [out, in]; the transposed product reads them as they are.
    const attributes = { transB: { int: 1 } };
    graph.node('FusedMatMul', [x, vector(weight)], [product], { domain: 'com.microsoft', attributes });
    return bias === null ? product : graph.node('Add', [product, vector(bias)], [output]);
  };
  return {
    project,
    projectStack: (x, weights, biases, output) =>
      weights.map((weight, i) => project(x, weight, biases?.[i] ?? null, `${output}:${i}`)),
    vector,
  };
}

export interface QuantizedWeights {
  /** In the cache file. */
  readonly tensors: Tensors;
  readonly formatOf: FormatOf;
}

/** Names of the parts of a quantised weight in the cache; a stack is stored under its first weight's name. */
export const quantizedNames = (weight: string) => ({
  values: `${weight}:values`,
  scales: `${weight}:scales`,
});

/** `originals` tell the width of each matrix: the stored blocks may be padded. */
export function quantizedProjections(
  graph: OnnxGraph,
  originals: Tensors,
  quantized: QuantizedWeights,
): Projections {
  const find = (name: string): Tensor => {
    const tensor = quantized.tensors.get(name);
    if (!tensor) throw new Error(`no quantised tensor ${name}`);
    return tensor;
  };
  const stored = (name: string): string => graph.external(find(name));
  const project: Projections['project'] = (x, weight, bias, output) => {
    const names = quantizedNames(weight);
    const [rows = 0] = find(names.values).shape;
    const { bits, blockSize } = quantized.formatOf(weight);
    const inputs = [x, stored(names.values), stored(names.scales), '', '', bias === null ? '' : stored(bias)];
    return graph.node('MatMulNBits', inputs, [output], {
      domain: 'com.microsoft',
      attributes: {
        K: { int: originals.get(weight)?.shape[1] ?? 0 },
        N: { int: rows },
        bits: { int: bits },
        block_size: { int: blockSize },
        // 8-bit activations: the level with vector kernels; without it 8-bit weights are 300 times slower.
        accuracy_level: { int: 4 },
      },
    });
  };
  return {
    project,
    projectStack: (x, weights, biases, output) => [project(x, weights[0] ?? '', biases?.[0] ?? null, output)],
    vector: stored,
  };
}
