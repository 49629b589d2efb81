import { expect, test } from 'vitest';
import { architectureOf } from './architecture.ts';

const config = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  vocab_size: 100,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-6,
  rope_theta: 500_000,
};
function read(changes: Record<string, unknown>) {
  const { ropeTheta: theta, ropeScaling: scaling } = architectureOf('config.json', { ...config, ...changes });
  return { theta, scaling };
}

test('theta is that of rope_parameters, else the older top-level field, else 10,000', () => {
  const inside = { rope_theta: 1e7, rope_type: 'default' };
  expect([
    read({ rope_parameters: inside }).theta,
    read({ rope_parameters: { rope_type: 'default' } }).theta,
    read({ rope_theta: undefined }).theta,
  ]).toEqual([1e7, 500_000, 10_000]);
});

test('rope_scaling with either name of the type is read; it wins over rope_parameters, unless it is empty', () => {
  const parameters = { rope_type: 'default', rope_theta: 1e7 };
  const linear = { theta: 500_000, scaling: { type: 'linear', factor: 2 } };
  expect([
    read({ rope_scaling: { type: 'linear', factor: 2 } }),
    read({ rope_scaling: { rope_type: 'linear', factor: 2 }, rope_parameters: parameters }),
    read({ rope_scaling: {}, rope_parameters: parameters }),
    read({ rope_scaling: null, rope_parameters: parameters }),
  ]).toEqual([
    linear,
    linear,
    { theta: 1e7, scaling: { type: 'default' } },
    { theta: 1e7, scaling: { type: 'default' } },
  ]);
});

test('dynamic scaling starts at the length that the model has', () => {
  expect(read({ rope_parameters: { rope_type: 'dynamic', factor: 2 } }).scaling).toEqual({
    type: 'dynamic',
    factor: 2,
    trainedLength: 4096,
  });
});

const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024 };

test('yarn has its paper’s defaults, and its attention factor grows with the extension', () => {
  expect(read({ rope_parameters: yarn }).scaling).toEqual({
    type: 'yarn',
    factor: 4,
    attentionFactor: 0.1 * Math.log(4) + 1,
    betaFast: 32,
    betaSlow: 1,
    truncate: true,
    originalLength: 1024,
  });
});

test.each([
  [{}, 1 + 0.1 * Math.log(4)],
  [{ factor: null }, 1 + 0.1 * Math.log(4)],
  [{ factor: 0.5 }, 1],
  [{ attention_factor: 0.8 }, 0.8],
  [{ mscale: 0.7, mscale_all_dim: 0.9 }, (1 + 0.07 * Math.log(4)) / (1 + 0.09 * Math.log(4))],
  [{ mscale: 0.7 }, 1 + 0.1 * Math.log(4)],
])('yarn with %j', (changes, attentionFactor) => {
  expect(read({ rope_parameters: { ...yarn, ...changes } }).scaling).toMatchObject({ attentionFactor });
});

const longrope = {
  rope_type: 'longrope',
  short_factor: [1, 1, 1, 1, 1, 1, 1, 1],
  long_factor: [1, 2, 3, 4, 5, 6, 7, 8],
};

test('longrope takes the original length from the top of the config before its own, and else the whole length', () => {
  const own = { ...longrope, original_max_position_embeddings: 1024 };
  const scaling = {
    type: 'longrope',
    shortFactors: longrope.short_factor,
    longFactors: longrope.long_factor,
  };
  expect([
    read({ rope_parameters: own, original_max_position_embeddings: 512 }).scaling,
    read({ rope_parameters: own }).scaling,
    read({ rope_parameters: longrope }).scaling,
  ]).toEqual([
    { ...scaling, originalLength: 512, attentionFactor: Math.sqrt(1 + Math.log(8) / Math.log(512)) },
    { ...scaling, originalLength: 1024, attentionFactor: Math.sqrt(1 + Math.log(4) / Math.log(1024)) },
    { ...scaling, originalLength: 4096, attentionFactor: 1 },
  ]);
});

test.each([
  [{ rope_type: 'mrope' }, 'rope_parameters.rope_type is "mrope": it must be default, linear'],
  [{ rope_type: 'linear' }, 'rope_parameters.factor'],
  [{ rope_type: 'linear', factor: -1 }, 'rope_parameters.factor is -1'],
  [{ rope_type: 'llama3', factor: 8, low_freq_factor: 1 }, 'rope_parameters.high_freq_factor'],
  [{ ...longrope, long_factor: [1, 2] }, 'long_factor has 2 entries; heads of 16 need 8'],
  [{ rope_type: 'default', partial_rotary_factor: 0.5 }, 'partial_rotary_factor is 0.5: only whole heads'],
  [{ full_attention: { rope_type: 'default' } }, 'rope_parameters.full_attention'],
])('%j is refused, not computed wrongly', (rope_parameters, message) => {
  expect(() => read({ rope_parameters })).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }));
  expect(() => read({ rope_parameters })).toThrow(message);
});
