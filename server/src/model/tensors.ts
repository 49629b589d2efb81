/** The tensors that an architecture must have, under transformers' names. */
import type { Architecture } from './architecture.ts';
import { ModelError } from './model-error.ts';
import type { Tensor } from './safetensors.ts';

export type Tensors = ReadonlyMap<string, Tensor>;

export const embeddingName = 'model.embed_tokens.weight';
export const finalNormName = 'model.norm.weight';
export const headName = (architecture: Architecture): string =>
  architecture.tiedEmbeddings ? embeddingName : 'lm_head.weight';
export const layerPrefix = (layer: number): string => `model.layers.${layer}.`;

function layerShapes(architecture: Architecture): Map<string, number[]> {
  const { hiddenSize: hidden, intermediateSize: intermediate, headDim } = architecture;
  const queries = architecture.queryHeads * headDim;
  const keys = architecture.keyValueHeads * headDim;
  const shapes = new Map<string, number[]>([
    ['input_layernorm.weight', [hidden]],
    ['self_attn.q_proj.weight', [queries, hidden]],
    ['self_attn.k_proj.weight', [keys, hidden]],
    ['self_attn.v_proj.weight', [keys, hidden]],
    ['self_attn.o_proj.weight', [hidden, queries]],
    ['post_attention_layernorm.weight', [hidden]],
    ['mlp.gate_proj.weight', [intermediate, hidden]],
    ['mlp.up_proj.weight', [intermediate, hidden]],
    ['mlp.down_proj.weight', [hidden, intermediate]],
  ]);
  if (architecture.queryKeyValueBias) {
    shapes.set('self_attn.q_proj.bias', [queries]);
    shapes.set('self_attn.k_proj.bias', [keys]);
    shapes.set('self_attn.v_proj.bias', [keys]);
  }
  if (architecture.outputBias) shapes.set('self_attn.o_proj.bias', [hidden]);
  if (architecture.feedForwardBias) {
    shapes.set('mlp.gate_proj.bias', [intermediate]);
    shapes.set('mlp.up_proj.bias', [intermediate]);
    shapes.set('mlp.down_proj.bias', [hidden]);
  }
  if (architecture.queryKeyNorm) {
    shapes.set('self_attn.q_norm.weight', [headDim]);
    shapes.set('self_attn.k_norm.weight', [headDim]);
  }
  return shapes;
}

export function expectedShapes(architecture: Architecture): Map<string, number[]> {
  const embedding = [architecture.vocabularySize, architecture.hiddenSize];
  const shapes = new Map([
    [embeddingName, embedding],
    [finalNormName, [architecture.hiddenSize]],
    [headName(architecture), embedding],
  ]);
  const layer = layerShapes(architecture);
  for (let i = 0; i < architecture.layers; i++) {
    for (const [name, shape] of layer) shapes.set(layerPrefix(i) + name, shape);
  }
  return shapes;
}

/** Saved by some versions of transformers, but computed from the config or tied. */
const redundant = /(^lm_head\.weight|rotary_emb\.inv_freq)$/;

/** Every tensor that is needed is there with its shape, and none would be silently left out of the computation. */
export function checkTensors(directory: string, architecture: Architecture, found: Tensors): void {
  const expected = expectedShapes(architecture);
  for (const [name, shape] of expected) {
    const tensor = found.get(name);
    if (!tensor)
      throw new ModelError('MODEL_INCOMPLETE', `${directory}: tensor ${name} is in no safetensors file`);
    if (tensor.dtype === 'U8' || String(tensor.shape) !== String(shape)) {
      throw new ModelError(
        'MODEL_INVALID',
        `${tensor.file}: tensor ${name} is ${tensor.dtype} [${tensor.shape}]; config.json asks for floats [${shape}]`,
      );
    }
  }
  for (const name of found.keys()) {
    if (!expected.has(name) && !redundant.test(name)) {
      throw new ModelError(
        'MODEL_UNSUPPORTED',
        `${directory}: tensor ${name} has no place in this architecture`,
      );
    }
  }
}
