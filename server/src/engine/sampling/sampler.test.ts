import { expect, test } from 'vitest';
import { candidates, mostLikely } from './distribution.ts';
import { createSampler } from './sampler.ts';
import { defaultSampling, type SamplingSettings } from './settings.ts';

const logits = Float32Array.of(1, 3, 2, 3, -1);
const settings: SamplingSettings = { ...defaultSampling, seed: 7 };
const context = { promptIds: [], stopIds: new Set<number>() };
const draws = (changes: Partial<SamplingSettings>, count = 4000): number[] => {
  const sample = createSampler({ ...settings, ...changes }, context);
  return Array.from({ length: count }, () => sample(logits).id);
};
const kept = (changes: Partial<SamplingSettings>): number[] => [
  ...candidates(logits, { ...settings, ...changes }).ids,
];
const share = (ids: number[], id: number): number => ids.filter((drawn) => drawn === id).length / ids.length;

test('temperature 0 takes the largest logit, of equal ones the first', () => {
  expect(new Set(draws({ temperature: 0 }))).toEqual(new Set([1]));
});

test('the same seed draws the same tokens, another seed others', () => {
  expect(draws({ seed: 5 }, 50)).toEqual(draws({ seed: 5 }, 50));
  expect(draws({ seed: 5 }, 50)).not.toEqual(draws({ seed: 6 }, 50));
  expect(draws({ seed: 5 + 2 ** 40 }, 50)).not.toEqual(draws({ seed: 5 }, 50));
});

test('tokens are drawn as often as their probability says', () => {
  const weights = [...logits].map(Math.exp);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const ids = draws({}, 20_000);
  for (const [id, weight] of weights.entries()) expect(share(ids, id)).toBeCloseTo(weight / total, 1.6);
});

test('temperature divides the logits before the draw', () => {
  const ids = draws({ temperature: 0.5 }, 20_000);
  expect(share(ids, 2) / share(ids, 1)).toBeCloseTo(Math.exp((2 - 3) / 0.5), 1);
});

test('top-k keeps the k most likely, of equal ones the lower id', () => {
  expect(mostLikely(logits, 3)).toEqual([1, 3, 2]);
  expect(mostLikely(logits, 99)).toEqual([1, 3, 2, 0, 4]);
  expect(kept({ topK: 1 })).toEqual([1]);
});

test('top-p keeps the fewest tokens that reach it, and always one', () => {
  expect([0.0001, 0.5, 0.9, 0.999].map((topP) => kept({ topP }))).toEqual([
    [1],
    [1, 3],
    [1, 3, 2],
    [1, 3, 2, 0, 4],
  ]);
});

test('top-p counts on what top-k left', () => {
  expect(kept({ topK: 2, topP: 0.4 })).toEqual([1]);
});

test('min-p keeps tokens of at least that share of the most likely one, counted after the temperature', () => {
  const below = Math.exp(-1) - 1e-9;
  expect([kept({ minP: below }), kept({ minP: below + 2e-9 }), kept({ minP: 1 })]).toEqual([
    [1, 2, 3],
    [1, 3],
    [1, 3],
  ]);
  expect(kept({ minP: below, temperature: 0.9 })).toEqual([1, 3]);
});

test('top-p counts on what min-p left', () => {
  // Of all five tokens the first two weigh 0.72, of the three that min-p leaves 0.84.
  expect([kept({ topP: 0.8 }), kept({ topP: 0.8, minP: 0.3 })]).toEqual([
    [1, 3, 2],
    [1, 3],
  ]);
});

test('log-probabilities are those of the model, whatever temperature and truncation', () => {
  const sample = createSampler({ ...settings, temperature: 0.1, topK: 1, topLogprobs: 2 }, context);
  const normalizer = Math.log([...logits].reduce((sum, logit) => sum + Math.exp(logit), 0));
  const { id, logprob, topLogprobs } = sample(logits);
  expect(id).toBe(1);
  expect(logprob).toBeCloseTo(3 - normalizer, 6);
  expect(topLogprobs.map((top) => top.id)).toEqual([1, 3]);
});

test('logits that are not numbers are an error, not a token', () => {
  const broken = Float32Array.of(Number.NaN, Number.NaN);
  expect(() => createSampler(settings, context)(broken)).toThrow('not finite');
  expect(() => createSampler({ ...settings, temperature: 0 }, context)(broken)).toThrow('not finite');
});
