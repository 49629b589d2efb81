/** Shapes of the models whose numbers are published in training.md, and of the quickstart's. */
import type { ModelFacts } from '@longpo/api';

export const mistral7b: ModelFacts = {
  architecture: 'MistralForCausalLM',
  layers: 32,
  hiddenSize: 4096,
  intermediateSize: 14_336,
  attentionHeads: 32,
  keyValueHeads: 8,
  headDim: 128,
  vocabularySize: 32_000,
  maxPositionEmbeddings: 32_768,
  ropeTheta: 1e6,
  parameters: 7_241_732_096,
};

export const qwen25: ModelFacts = {
  architecture: 'Qwen2ForCausalLM',
  layers: 28,
  hiddenSize: 3584,
  intermediateSize: 18_944,
  attentionHeads: 28,
  keyValueHeads: 4,
  headDim: 128,
  vocabularySize: 152_064,
  maxPositionEmbeddings: 32_768,
  ropeTheta: 1e6,
  parameters: 7_615_616_512,
};

export const qwen3: ModelFacts = {
  architecture: 'Qwen3ForCausalLM',
  layers: 36,
  hiddenSize: 4096,
  intermediateSize: 12_288,
  attentionHeads: 32,
  keyValueHeads: 8,
  headDim: 128,
  vocabularySize: 151_936,
  maxPositionEmbeddings: 40_960,
  ropeTheta: 1e6,
  parameters: 8_190_735_360,
};

export const smolLM2: ModelFacts = {
  architecture: 'LlamaForCausalLM',
  layers: 30,
  hiddenSize: 576,
  intermediateSize: 1536,
  attentionHeads: 9,
  keyValueHeads: 3,
  headDim: 64,
  vocabularySize: 49_152,
  maxPositionEmbeddings: 8192,
  ropeTheta: 1e5,
  parameters: 134_515_008,
};
