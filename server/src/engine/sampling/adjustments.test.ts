import { expect, test } from 'vitest';
import { createSampler, type SamplerContext } from './sampler.ts';
import { defaultSampling, type SamplingSettings } from './settings.ts';

/** Greedy answers of a model that gives these logits at every place. */
function answer(
  logits: readonly number[],
  changes: Partial<SamplingSettings>,
  context: Partial<SamplerContext> = {},
): number[] {
  const settings = { ...defaultSampling, temperature: 0, ...changes };
  const sample = createSampler(settings, { promptIds: [], stopIds: new Set(), ...context });
  return Array.from({ length: 5 }, () => sample(Float32Array.from(logits)).id);
}

test('a presence penalty counts a token of the answer once, a frequency penalty each time', () => {
  const logits = [2, 1.5, 0];
  expect(answer(logits, {})).toEqual([0, 0, 0, 0, 0]);
  expect(answer(logits, { presencePenalty: 0.75 })).toEqual([0, 1, 0, 0, 0]);
  expect(answer(logits, { frequencyPenalty: 0.75 })).toEqual([0, 1, 0, 1, 0]);
});

test('presence and frequency penalties leave the tokens of the prompt alone, a repetition penalty does not', () => {
  const prompt = { promptIds: [0, 0, 0] };
  expect(answer([2, 1], { presencePenalty: 9, frequencyPenalty: 9 }, prompt)[0]).toBe(0);
  expect(answer([2, 1.5], { repetitionPenalty: 2 }, prompt)[0]).toBe(1);
});

test('a repetition penalty divides what is above zero and multiplies what is below, once per token', () => {
  expect(answer([2, 1.5, 0.9], { repetitionPenalty: 2 })).toEqual([0, 1, 0, 0, 0]);
  expect(answer([-1, -1.5, -3], { repetitionPenalty: 2 })).toEqual([0, 1, 0, 0, 0]);
});

test('the repetition penalty comes before the other two', () => {
  // (4 / 2) - 1 = 1 for a token that came; the other order, (4 - 1) / 2, would let it come again.
  expect(answer([4, 1.25], { repetitionPenalty: 2, presencePenalty: 1 })[1]).toBe(1);
});

test('a logit bias is added before the penalties', () => {
  const logitBias = new Map([[1, 100]]);
  expect(answer([2, 1], { logitBias })).toEqual([1, 1, 1, 1, 1]);
  expect(answer([2, -1], { logitBias: new Map([[1, 5]]), repetitionPenalty: 4 })).toEqual([1, 0, 1, 1, 1]);
  expect(answer([2, 1], { logitBias: new Map([[0, Number.NEGATIVE_INFINITY]]) })[0]).toBe(1);
});

test('tokens that end the answer do not come before minTokens', () => {
  expect(answer([2, 1], { minTokens: 2 }, { stopIds: new Set([0]) })).toEqual([1, 1, 0, 0, 0]);
});

test('penalties and bias change neither the model’s logits nor its log-probabilities', () => {
  const logits = Float32Array.of(2, 1);
  const settings = { ...defaultSampling, temperature: 0, topLogprobs: 2, logitBias: new Map([[1, 100]]) };
  const { id, logprob, topLogprobs } = createSampler(settings, { promptIds: [], stopIds: new Set() })(logits);
  expect([...logits]).toEqual([2, 1]);
  expect(id).toBe(1);
  expect(logprob).toBeCloseTo(-Math.log(1 + Math.E), 6);
  expect(topLogprobs).toEqual([
    { id: 0, logprob: expect.closeTo(1 - Math.log(1 + Math.E), 6) },
    { id: 1, logprob },
  ]);
});
