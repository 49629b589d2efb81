/**
 * Peak memory of one rank in a micro-step, in bytes. Pure. The formula, its sources and its calibration: README.md.
 * Symbols: h hidden, f ffn, a/k query/KV heads, d head size, V vocabulary, S packed tokens, s = S / sequence degree.
 */
import type { ModelFacts, TrainHyperparameters } from '@longpo/api';

export interface RankShape {
  packedTokens: number;
  sequence: number;
  worldSize: number;
}

export type MemorySettings = Pick<
  TrainHyperparameters,
  | 'dtype'
  | 'optim'
  | 'gradientCheckpointing'
  | 'gradientCheckpointingLayers'
  | 'gradientCheckpointingOffload'
  | 'tiledMlpShards'
>;

export interface RankMemory {
  /** Master weights, gradient and moments of this rank's shard, f32. */
  states: number;
  /** Layers and embeddings gathered whole, with their gradients. */
  gathered: number;
  /** Inputs of the groups of layers, kept for the recompute; everything without gradient checkpointing. */
  checkpoints: number;
  /** The larger of a group of layers in recompute and backward, and one chunk of the head's product. */
  working: number;
  /** What the process and its allocator hold beside the tensors. */
  process: number;
  total: number;
}

/** f32 logits that the trainer's loss holds at once (trainer/longpo_trainer/loss.py), and bytes of each with its copies. */
const logitsBytes = { cpu: 2 ** 26, cuda: 2 ** 28 } as const;
const bytesPerLogit = 10;
const stateBytes = { rmsprop: 12, adamw: 16 } as const;
/**
 * What the allocator holds for each byte of tensors, and a process without any. On a CPU the states stay where they
 * are, but glibc keeps a multiple of what comes and goes in every layer. Measured, see README.md.
 */
const allocation = {
  cuda: { states: 1.05, transient: 1.05, base: 2.5e9 },
  cpu: { states: 1, transient: 2.3, base: 0.45e9 },
} as const;
/** The launcher of a pod: it imports torch, too. On a GPU it takes nothing that counts. */
const launcherBytes = 0.37e9;

const layerParameters = ({ hiddenSize: h, intermediateSize: f, ...m }: ModelFacts): number =>
  2 * h * (m.attentionHeads + m.keyValueHeads) * m.headDim + 3 * h * f + 2 * h;

/** 1 where the output embedding is the input embedding. */
export function embeddingCopies(model: ModelFacts): number {
  const outside = model.parameters - model.layers * layerParameters(model);
  return outside < 1.5 * model.vocabularySize * model.hiddenSize ? 1 : 2;
}

/**
 * Bytes a token that one layer needs in recompute and backward, in bf16: w of training.md section 2, and 2.4 (a + k) d
 * for the packed row's copies of keys, values and outputs. An MLP in parts has the intermediate of one and keeps their
 * inputs and outputs; with many parts the attention's backward is the most. Held against the trainer's own layers by
 * test/integration/planner.test.ts.
 */
export function layerBytesPerToken(
  { intermediateSize, hiddenSize: h, architecture, ...m }: ModelFacts,
  mlpShards: number,
): number {
  const projections = (m.attentionHeads + m.keyValueHeads) * m.headDim;
  const normed = architecture.startsWith('Qwen3') ? 6 * projections : 0;
  const isTiled = mlpShards > 1;
  const mlp = (12 * intermediateSize) / mlpShards + (isTiled ? 22.5 : 18.5) * h + 6.4 * projections;
  const attention = isTiled ? 33.4 * h + 7.25 * projections : 0;
  return Math.max(mlp, attention) + normed + 4 * m.attentionHeads;
}

/** A group and a layer in the compute dtype, one gradient in it and one in f32; the same for the root's embeddings. */
function gatheredBytes(model: ModelFacts, width: number, group: number): number {
  const embedding = model.vocabularySize * model.hiddenSize;
  return (
    layerParameters(model) * ((group + 2) * width + 4) +
    embedding * ((embeddingCopies(model) + 1) * width + 4)
  );
}

export function rankMemory(
  model: ModelFacts,
  { packedTokens, sequence, worldSize }: RankShape,
  settings: MemorySettings,
  device: 'cpu' | 'cuda',
): RankMemory {
  const width = settings.dtype === 'f32' ? 4 : 2;
  const { layers, hiddenSize: h, vocabularySize } = model;
  const group = settings.gradientCheckpointing ? Math.min(settings.gradientCheckpointingLayers, layers) : 1;
  const tokens = Math.ceil(packedTokens / sequence);
  const layer = (tokens * layerBytesPerToken(model, settings.tiledMlpShards) * width) / 2;
  const logits = Math.min(logitsBytes[device] / 4, tokens * vocabularySize) * bytesPerLogit;
  const tensors = {
    states: (stateBytes[settings.optim] * model.parameters) / worldSize,
    gathered: gatheredBytes(model, width, group),
    checkpoints: keptBytes(settings, Math.ceil(layers / group) * tokens * h * width, layers * layer),
    working: Math.max(group * layer + tokens * h * width, logits + tokens * h * 6),
  };
  const { states, ...transient } = tensors;
  const comingAndGoing = Object.values(transient).reduce((sum, bytes) => sum + bytes, 0);
  const held = allocation[device];
  const total = held.states * states + held.transient * comingAndGoing + held.base;
  return { ...tensors, process: total - states - comingAndGoing, total };
}

/** Of the inputs of all groups, or of all activations. */
function keptBytes(settings: MemorySettings, inputs: number, everything: number): number {
  if (!settings.gradientCheckpointing) return everything;
  return settings.gradientCheckpointingOffload ? 0 : inputs;
}

/** All ranks of a CPU share its memory, with the launchers of their pods. */
export const machineBytes = (
  rank: RankMemory,
  { worldSize, pods }: { worldSize: number; pods: number },
): number => worldSize * rank.total + pods * launcherBytes;
