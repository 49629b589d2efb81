import { expect, test } from 'vitest';
import { architectureOf } from './architecture.ts';

const config = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 100,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-6,
  rope_theta: 500_000,
};
const read = (changes: Record<string, unknown>) => architectureOf('config.json', { ...config, ...changes });

test('a config is read under transformers names, with its defaults', () => {
  expect(read({})).toEqual({
    layers: 2,
    hiddenSize: 64,
    intermediateSize: 128,
    queryHeads: 4,
    keyValueHeads: 2,
    headDim: 16,
    vocabularySize: 100,
    maxPositionEmbeddings: 512,
    normEpsilon: 1e-6,
    ropeTheta: 500_000,
    tiedEmbeddings: false,
    queryKeyValueBias: false,
    outputBias: false,
    queryKeyNorm: false,
  });
});

test('rope_parameters.rope_theta wins over the older top-level field', () => {
  expect(read({ rope_parameters: { rope_theta: 1e7, rope_type: 'default' } }).ropeTheta).toBe(1e7);
});

test('Qwen2 has biases on queries, keys and values; Qwen3 normalises heads', () => {
  const { queryKeyValueBias, outputBias } = read({ architectures: ['Qwen2ForCausalLM'] });
  expect({ queryKeyValueBias, outputBias }).toEqual({ queryKeyValueBias: true, outputBias: false });
  expect(read({ architectures: ['Qwen3ForCausalLM'] }).queryKeyNorm).toBe(true);
});

test('a sliding window that is switched off is no sliding window', () => {
  expect(read({ sliding_window: 4096, use_sliding_window: false }).layers).toBe(2);
});

test.each([
  [{ architectures: ['MambaForCausalLM'] }, 'architectures[0] is "MambaForCausalLM"'],
  [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'rope_type is "llama3"'],
  [{ rope_scaling: { type: 'linear', factor: 2 } }, 'rope_type is "linear"'],
  [{ rope_parameters: { rope_theta: 1e4, rope_type: 'yarn' } }, 'rope_type is "yarn"'],
  [{ sliding_window: 4096 }, 'sliding_window is 4096'],
  [{ hidden_act: 'gelu' }, 'hidden_act is "gelu"'],
  [{ mlp_bias: true }, 'mlp_bias is true'],
  [{ num_key_value_heads: 3 }, 'num_key_value_heads is 3'],
])('%j is refused, not computed wrongly', (changes, message) => {
  expect(() => read(changes)).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }));
  expect(() => read(changes)).toThrow(message);
});

test('a config without a needed field names it', () => {
  expect(() => read({ vocab_size: undefined })).toThrow('config.json: field vocab_size');
});
