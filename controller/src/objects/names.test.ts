import { longpoServing, nameLimit } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { generatorServingName, jobName } from './names.ts';

const longestTraining = 't'.repeat(nameLimit);
const longestStage = 's'.repeat(12);

describe('names', () => {
  it('say training, stage, role and attempt', () => {
    expect([
      jobName('demo', undefined, 'fetch', 1),
      jobName('demo', 'one', 'train', 3),
      generatorServingName('demo', 'one'),
    ]).toEqual(['demo-fetch-a1', 'demo-one-train-a3', 'demo-one-gen']);
  });

  it('leave room for the index and suffix of a pod at their longest', () => {
    expect(`${jobName(longestTraining, longestStage, 'generate', 1)}-0-abcde`.length).toBeLessThanOrEqual(63);
    expect(`${jobName(longestTraining, longestStage, 'train', 99)}-999-abcde`.length).toBeLessThanOrEqual(63);
  });

  it('of a generator are names that a LongPOServing may have, and different for each stage', () => {
    const names = ['one', 'two', longestStage].map((stage) => generatorServingName(longestTraining, stage));
    const valid = names.map((name) => longpoServing.shape.metadata.safeParse({ name }).success);
    expect({ valid, different: new Set(names).size }).toEqual({ valid: [true, true, true], different: 3 });
    expect(generatorServingName('t'.repeat(20), longestStage)).not.toMatch(/--[0-9a-f]{8}$/);
  });
});
