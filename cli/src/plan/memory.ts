/**
 * Peak memory of one rank in a micro-step, in bytes. Pure. The formula and its calibration: docs/memory-plan.md
 * (h hidden, f ffn, a/k query/KV heads, d head size, V vocabulary, S packed tokens, s = S / sequence degree).
 */
import type { ModelFacts, TrainHyperparameters } from '@longpo/api';

export interface RankShape {
  packedTokens: number;
  sequence: number;
  worldSize: number;
}

type Training = Pick<TrainHyperparameters, 'dtype' | 'optim' | 'gradientCheckpointing'>;

/** Tokens of one chunk of the head's product. */
const logitChunk = 1024;
/** Master weights, gradient and moments in f32. */
const stateBytes = { rmsprop: 12, adamw: 16 } as const;
const overhead = 1.05;
/** CUDA context, NCCL buffers and fragmentation. */
const cudaBase = 2.5e9;
/** A Python process with torch and transformers. */
const cpuBase = 0.45e9;

/** Bytes a token that one layer needs in recompute and backward: w of training.md section 2, for bf16. */
function layerBytesPerToken({
  intermediateSize,
  hiddenSize,
  attentionHeads,
  keyValueHeads,
  headDim,
}: ModelFacts): number {
  const projections = (attentionHeads + keyValueHeads) * headDim;
  return 12 * intermediateSize + 18.5 * hiddenSize + 4 * projections + 4 * attentionHeads;
}

const layerParameters = (m: ModelFacts): number =>
  2 * m.hiddenSize * (m.attentionHeads + m.keyValueHeads) * m.headDim +
  3 * m.hiddenSize * m.intermediateSize +
  2 * m.hiddenSize;

export function peakBytesPerRank(
  model: ModelFacts,
  shape: RankShape,
  training: Training,
  device: 'cpu' | 'cuda',
): number {
  const width = training.dtype === 'f32' ? 2 : 1; // in units of bf16
  const tokens = Math.ceil(shape.packedTokens / shape.sequence);
  const { layers, hiddenSize, vocabularySize, parameters } = model;
  const states = (stateBytes[training.optim] * parameters) / shape.worldSize;
  const embeddings = vocabularySize * hiddenSize;
  const layer = layerParameters(model);
  const gathered =
    layer * (2 * 2 + 2 + 4) * width + 2 * embeddings * 2 * width + embeddings * (2 * width + 4);
  const perLayer = tokens * layerBytesPerToken(model) * width;
  const kept = training.gradientCheckpointing ? layers * tokens * hiddenSize * 2 * width : layers * perLayer;
  const logits = Math.min(logitChunk, tokens) * vocabularySize * 10;
  const working = Math.max(perLayer + 2 * tokens * hiddenSize * width, logits + tokens * hiddenSize * 6);
  return overhead * (states + gathered + kept + working) + (device === 'cuda' ? cudaBase : cpuBase);
}
