import { expect, test } from 'vitest';
import type { RopeScaling } from '../model/rope.ts';
import { rotaryFrequencies } from './rotary-frequencies.ts';

const headDim = 8;
const frequencies = (ropeScaling: RopeScaling, positions = 100, ropeTheta = 10_000) =>
  rotaryFrequencies({ architecture: { headDim, ropeScaling }, ropeTheta, positions });
const rounded = (values: number[]): Float32Array => Float32Array.from(values);

test('without scaling, frequencies fall from 1 by powers of theta', () => {
  expect(frequencies({ type: 'default' })).toEqual({
    inverse: rounded([1, 0.1, 0.01, 0.001]),
    attentionFactor: 1,
  });
});

test('linear scaling divides them all', () => {
  expect(frequencies({ type: 'linear', factor: 2 }).inverse).toEqual(rounded([0.5, 0.05, 0.005, 0.0005]));
});

const dynamic: RopeScaling = { type: 'dynamic', factor: 2, trainedLength: 100 };
const longrope: RopeScaling = {
  type: 'longrope',
  attentionFactor: 1.2,
  shortFactors: [1, 1, 1, 1],
  longFactors: [1, 2, 4, 8],
  originalLength: 100,
};

test('the served length decides dynamic scaling: within the trained length there is none', () => {
  expect(frequencies(dynamic, 100)).toEqual(frequencies({ type: 'default' }));
  const theta = 10_000 * (2 * 1.5 - 1) ** (8 / 6);
  const expected = frequencies({ type: 'default' }, 150, theta).inverse;
  for (const [i, value] of frequencies(dynamic, 150).inverse.entries())
    expect(value).toBeCloseTo(expected[i] ?? 0, 7);
});

test('the served length decides between the short and the long divisors; the attention factor stays', () => {
  expect([frequencies(longrope, 100), frequencies(longrope, 101)]).toEqual([
    { inverse: rounded([1, 0.1, 0.01, 0.001]), attentionFactor: 1.2 },
    { inverse: rounded([1, 0.05, 0.0025, 0.000125]), attentionFactor: 1.2 },
  ]);
});

test('llama3 keeps short waves, slows long ones by the factor and blends between', () => {
  const scaling: RopeScaling = {
    type: 'llama3',
    factor: 4,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalLength: 100,
  };
  // Waves of 6, 63, 628 and 6,283 positions; between 25 and 100 is the blend.
  const kept = (100 / (2 * Math.PI * 10) - 1) / 3;
  const { inverse } = frequencies(scaling);
  for (const [i, value] of [1, 0.1 * (kept + (1 - kept) / 4), 0.0025, 0.00025].entries())
    expect(inverse[i]).toBeCloseTo(value, 8);
});

test('yarn keeps fast pairs, slows the slowest by the factor and blends between', () => {
  const scaling: RopeScaling = {
    type: 'yarn',
    factor: 4,
    attentionFactor: 1.1,
    betaFast: 8,
    betaSlow: 0.5,
    truncate: true,
    originalLength: 100,
  };
  // Pair 0 turns 16 times in 100 positions, pair 1 1.6 times, pair 2 0.16 times: the ramp is from 0 to 2.
  expect(frequencies(scaling)).toEqual({
    inverse: rounded([1, 0.1 * (0.5 + 0.5 / 4), 0.01 / 4, 0.001 / 4]),
    attentionFactor: 1.1,
  });
});
