import { longpoTrainingSpec, trainingStage } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { facts } from '../fixture/results.ts';
import { shapeOf, shapeProblems, shapeText } from './shape.ts';

type Parallelism = { sequence?: number; data?: number; processesPerPod?: number };
const stage = (parallelism: Parallelism) => ({ name: 'one', contextLength: 1024, parallelism });

describe('shapeOf', () => {
  it.each<[name: string, parallelism: Parallelism, shape: ReturnType<typeof shapeOf>]>([
    ['one rank -> one pod', {}, { worldSize: 1, processesPerPod: 1, pods: 1 }],
    ['three ranks -> one pod', { sequence: 3 }, { worldSize: 3, processesPerPod: 3, pods: 1 }],
    [
      'three ranks, one a pod -> three pods',
      { sequence: 3, processesPerPod: 1 },
      { worldSize: 3, processesPerPod: 1, pods: 3 },
    ],
    [
      '8 x 2 ranks -> two pods of 8',
      { sequence: 8, data: 2 },
      { worldSize: 16, processesPerPod: 8, pods: 2 },
    ],
    ['12 ranks -> two equal pods', { sequence: 12 }, { worldSize: 12, processesPerPod: 6, pods: 2 }],
    ['11 ranks, a prime -> one a pod', { sequence: 11 }, { worldSize: 11, processesPerPod: 1, pods: 11 }],
  ])('%s', (_, parallelism, shape) => {
    expect(shapeOf(trainingStage.parse(stage(parallelism)))).toEqual(shape);
  });
});

describe('shapeText', () => {
  it.each<[parallelism: Parallelism, text: string]>([
    [{}, '1x1/1'],
    [{ sequence: 8, data: 2 }, '8x2/8'],
    [{ sequence: 8, data: 2, processesPerPod: 4 }, '8x2/4'],
  ])('%j -> %s', (parallelism, text) => {
    expect(shapeText(trainingStage.parse(stage(parallelism)))).toBe(text);
  });
});

describe('shapeProblems', () => {
  const problems = (...parallelisms: Parallelism[]) =>
    shapeProblems(longpoTrainingSpec.parse({ model: { uri: '/m' }, stages: parallelisms.map(stage) }), facts);

  it.each<[name: string, parallelisms: Parallelism[], wanted: string[]]>([
    ['9 heads, degree 9 -> none', [{ sequence: 9 }], []],
    [
      '9 heads, degree 10 in the second stage -> names it',
      [{ sequence: 1 }, { sequence: 10 }],
      [
        'spec.stages[1].parallelism.sequence is 10, but the model has 9 query heads and Ulysses splits heads: use 1 to 9',
      ],
    ],
    [
      '6 ranks, 4 a pod -> names the divisors',
      [{ sequence: 3, data: 2, processesPerPod: 4 }],
      [
        'spec.stages[0].parallelism.processesPerPod is 4, but sequence x data = 6 ranks do not divide by it: use a divisor of 6',
      ],
    ],
    [
      '3 ranks, 8 a pod -> a pod would miss five',
      [{ sequence: 3, processesPerPod: 8 }],
      [
        'spec.stages[0].parallelism.processesPerPod is 8, but sequence x data = 3 ranks do not divide by it: use a divisor of 3',
      ],
    ],
  ])('%s', (_, parallelisms, wanted) => {
    expect(problems(...parallelisms)).toEqual(wanted);
  });
});
