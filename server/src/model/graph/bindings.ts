/** What a run reads and writes: names, types and shapes. Keys and values are [batch, heads, capacity, head size]. */
import type { Architecture } from '../architecture.ts';
import type { Context } from './context.ts';
import { type Dimensions, elementType } from './onnx.ts';

export const decoderInputs = [
  'input_ids',
  'logits_at',
  'seqlens_k',
  'total_length',
  'one_token',
  'cos',
  'sin',
] as const;
export const pastNames = (layer: number): [string, string] => [`past_key.${layer}`, `past_value.${layer}`];
export const presentNames = (layer: number): [string, string] => [
  `present_key.${layer}`,
  `present_value.${layer}`,
];

/** The same buffers once more, between the writing of new keys and values and attention; outputs with `staged` only. */
export const stagedNames = (layer: number): [string, string] => [
  `staged_key.${layer}`,
  `staged_value.${layer}`,
];

/** Floats by which int8 keys and values are multiplied, one a head and dimension; inputs with int8 only. */
export const scaleNames = (layer: number): [string, string] => [`key_scale.${layer}`, `value_scale.${layer}`];

/**
 * The attention kernel takes only heads whose halves are multiples of 8, the halves that the rotation pairs. Others
 * are padded with zeros, each half at its end; zeros change no score.
 */
export const paddedHeadDim = ({ headDim }: Architecture): number => Math.ceil(headDim / 16) * 16;

export const kvDimensions = (architecture: Architecture): Dimensions => [
  'batch',
  architecture.keyValueHeads,
  'capacity',
  paddedHeadDim(architecture),
];

export function declareInputs({ graph, architecture, kvType }: Context): void {
  const half = paddedHeadDim(architecture) / 2;
  graph.input('input_ids', elementType.INT64, ['batch', 'tokens']);
  graph.input('logits_at', elementType.INT64, ['positions']);
  graph.input('seqlens_k', elementType.INT32, ['batch']);
  graph.input('total_length', elementType.INT32, []);
  // Whether each sequence of the run has one token.
  graph.input('one_token', elementType.BOOL, []);
  graph.input('cos', elementType.FLOAT, ['capacity', half]);
  graph.input('sin', elementType.FLOAT, ['capacity', half]);
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const name of pastNames(layer)) graph.input(name, kvType, kvDimensions(architecture));
  }
  if (kvType === elementType.FLOAT) return;
  const scaleShape = [1, architecture.keyValueHeads, 1, paddedHeadDim(architecture)];
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const name of scaleNames(layer)) graph.input(name, elementType.FLOAT, scaleShape);
  }
}

export function declareOutputs({ graph, architecture, kvType, newPositions }: Context): void {
  for (let layer = 0; layer < architecture.layers; layer++) {
    const names = [...presentNames(layer), ...(newPositions ? stagedNames(layer) : [])];
    for (const name of names) graph.output(name, kvType, kvDimensions(architecture));
  }
}
