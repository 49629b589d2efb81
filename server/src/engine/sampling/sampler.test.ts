import { expect, test } from 'vitest';
import { candidates, mostLikely } from './distribution.ts';
import { createSampler } from './sampler.ts';

const logits = Float32Array.of(1, 3, 2, 3, -1);
const settings = { temperature: 1, topK: 0, topP: 1, seed: 7, topLogprobs: null };
const draws = (changes: Partial<typeof settings>, count = 4000): number[] => {
  const sample = createSampler({ ...settings, ...changes });
  return Array.from({ length: count }, () => sample(logits).id);
};
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
  expect(candidates(logits, { temperature: 1, topK: 1, topP: 1 }).ids).toEqual([1]);
});

test('top-p keeps the fewest tokens that reach it, and always one', () => {
  const kept = (topP: number) => candidates(logits, { temperature: 1, topK: 0, topP }).ids;
  expect([kept(0.0001), kept(0.5), kept(0.9), kept(0.999)]).toEqual([
    [1],
    [1, 3],
    [1, 3, 2],
    [1, 3, 2, 0, 4],
  ]);
});

test('top-p counts on what top-k left', () => {
  expect(candidates(logits, { temperature: 1, topK: 2, topP: 0.4 }).ids).toEqual([1]);
});

test('log-probabilities are those of the model, whatever temperature and truncation', () => {
  const sample = createSampler({ ...settings, temperature: 0.1, topK: 1, topLogprobs: 2 });
  const normalizer = Math.log([...logits].reduce((sum, logit) => sum + Math.exp(logit), 0));
  const { id, logprob, topLogprobs } = sample(logits);
  expect(id).toBe(1);
  expect(logprob).toBeCloseTo(3 - normalizer, 6);
  expect(topLogprobs.map((top) => top.id)).toEqual([1, 3]);
});

test('logits that are not numbers are an error, not a token', () => {
  const broken = Float32Array.of(Number.NaN, Number.NaN);
  expect(() => createSampler({ ...settings })(broken)).toThrow('not finite');
  expect(() => createSampler({ ...settings, temperature: 0 })(broken)).toThrow('not finite');
});
