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
    ropeScaling: { type: 'default' },
    tiedEmbeddings: false,
    queryKeyValueBias: false,
    outputBias: false,
    feedForwardBias: false,
    queryKeyNorm: false,
    slidingWindows: [null, null],
  });
});

test('a head has the size that head_dim says, else its share of the hidden size; Qwen3 has 128', () => {
  const sizes = [{ head_dim: 24 }, { head_dim: null }, { architectures: ['Qwen3ForCausalLM'] }];
  expect(sizes.map((changes) => read(changes).headDim)).toEqual([24, 16, 128]);
});

test.each([
  ['LlamaForCausalLM', true, true, true, false],
  ['MistralForCausalLM', false, false, false, false],
  ['Qwen2ForCausalLM', true, false, false, false],
  ['Qwen3ForCausalLM', true, true, false, true],
])('%s takes from a config with every bias those that its class has', (name, ...expected) => {
  const found = read({ architectures: [name], attention_bias: true, mlp_bias: true });
  const { queryKeyValueBias, outputBias, feedForwardBias, queryKeyNorm } = found;
  expect([queryKeyValueBias, outputBias, feedForwardBias, queryKeyNorm]).toEqual(expected);
});

const mistral = { architectures: ['MistralForCausalLM'] };
const qwen = { architectures: ['Qwen2ForCausalLM'], sliding_window: 32 };

test.each([
  ['Llama has none', { sliding_window: 32 }, [null, null]],
  ["Mistral's covers every layer", { ...mistral, sliding_window: 32 }, [32, 32]],
  ["Mistral's is 4,096 where the config is silent", mistral, [4096, 4096]],
  ["Mistral's may be switched off", { ...mistral, sliding_window: null }, [null, null]],
  ["Qwen's is off without its switch", qwen, [null, null]],
  ["Qwen's begins at a layer", { ...qwen, use_sliding_window: true, max_window_layers: 1 }, [null, 32]],
  [
    "Qwen's begins at layer 28 where the config is silent",
    { ...qwen, use_sliding_window: true },
    [null, null],
  ],
  [
    "Qwen's layers may be named",
    { ...qwen, use_sliding_window: true, layer_types: ['sliding_attention', 'full_attention'] },
    [32, null],
  ],
])('sliding windows: %s', (_, changes, expected) => {
  expect(read(changes).slidingWindows).toEqual(expected);
});

test.each([
  [{ architectures: ['MambaForCausalLM'] }, 'architectures[0] is "MambaForCausalLM"'],
  [{ hidden_act: 'gelu' }, 'hidden_act is "gelu"'],
  [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor is 0.5'],
  [{ head_dim: 15 }, 'head_dim is 15'],
  [{ layer_types: ['full_attention', 'linear_attention'] }, 'layer_types is "linear_attention"'],
  [{ num_key_value_heads: 3 }, 'num_key_value_heads is 3'],
])('%j is refused, not computed wrongly', (changes, message) => {
  expect(() => read(changes)).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }));
  expect(() => read(changes)).toThrow(message);
});

test('a config without a needed field names it', () => {
  expect(() => read({ vocab_size: undefined })).toThrow('config.json: field vocab_size');
});
