import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFixtureModel } from '../model/fixture.ts';
import { openModelFolder } from '../model/folder.ts';
import type { QuantizedWeights } from '../model/graph/projections.ts';
import { quantizedWeights } from '../model/quantization/cache.ts';
import { Decoder } from './decoder.ts';
import type { GeneratedToken } from './engine.ts';
import { openEngine } from './open-engine.ts';
import { defaultSampling } from './sampling/settings.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-quantized-'));
});
afterEach(() => rm(root, { recursive: true }));

const ids = Array.from({ length: 60 }, (_, i) => (i * 29 + 5) % 96);

/** Share of the energy of `exact` that `rounded` misses. */
function error(exact: Float32Array, rounded: Float32Array): number {
  const energy = (values: Float32Array): number => values.reduce((sum, x) => sum + x * x, 0);
  return energy(exact.map((value, i) => value - (rounded[i] ?? Number.NaN))) / energy(exact);
}

const qwen3 = { architectures: ['Qwen3ForCausalLM'] };
const mistral = { architectures: ['MistralForCausalLM'] };
const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 };

const variants: [string, Record<string, unknown>][] = [
  ['every bias', { attention_bias: true, mlp_bias: true }],
  ['heads of 20', { head_dim: 20 }],
  ['heads of 20 that are normalised, with biases', { ...qwen3, head_dim: 20, attention_bias: true }],
  ['a sliding window', { ...mistral, sliding_window: 9 }],
  ['yarn', { rope_parameters: { rope_theta: 10_000, ...yarn } }],
];

test.each(variants)('%s: 8 and 4 bits compute nearly what float32 computes', async (_, config) => {
  const directory = join(root, 'model');
  await writeFixtureModel(directory, { config });
  const folder = await openModelFolder(directory);
  const { architecture, tensors } = folder;
  const logitsOf = async (quantized: QuantizedWeights | null): Promise<Float32Array> => {
    const settings = { architecture, tensors, ropeTheta: architecture.ropeTheta, bitEqual: true };
    const sizes = { positions: 100, slots: 1, threads: 1, chunkTokens: 64, maxDraft: 0 };
    const decoder = await Decoder.open({ ...settings, ...sizes, quantized });
    const logits = (await decoder.run({ slot: 0, ids, past: 0, at: [...ids.keys()] })).slice();
    await decoder.close();
    return logits;
  };
  const exact = await logitsOf(null);
  const cache = join(root, 'cache');
  const errors: number[] = [];
  for (const width of ['int8', 'int4'] as const) {
    errors.push(error(exact, await logitsOf(await quantizedWeights(folder, width, cache, 1))));
  }
  expect(errors[0]).toBeLessThan(0.002);
  expect(errors[1]).toBeLessThan(0.05);
});

test.each(variants)(
  '%s: no bit of an answer depends on what a slot held or on what else runs',
  async (_, config) => {
    const directory = join(root, 'model');
    await writeFixtureModel(directory, { config });
    const settings = { directory, cache: join(root, 'cache'), maxModelLen: 512, ropeTheta: null, threads: 1 };
    const engine = await openEngine({ ...settings, quantization: 'int8', parallelSequences: 3 });
    const answer = async (length: number): Promise<GeneratedToken[]> => {
      const promptIds = Array.from({ length }, (_, i) => (i * 7 + 3) % 96);
      const request = { ...defaultSampling, promptIds, maxTokens: 12, temperature: 0, topLogprobs: 2 };
      const tokens: GeneratedToken[] = [];
      for await (const token of engine.generate({ ...request, ignoreEos: true }).tokens) tokens.push(token);
      return tokens;
    };
    const alone = await answer(300);
    const [beside] = await Promise.all([answer(300), answer(40), answer(5)]);
    await engine.close();
    expect(alone.length).toBe(12);
    expect(beside).toEqual(alone);
  },
);
