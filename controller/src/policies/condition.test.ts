import type { Condition } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { type ConditionWish, settleConditions } from './condition.ts';

const before = '2026-11-24T11:00:00.000Z';
const now = new Date('2026-11-24T12:00:00.000Z');
const wish: ConditionWish = {
  type: 'Succeeded',
  status: 'Unknown',
  reason: 'Training',
  message: 'stage one',
};
const held: Condition = { ...wish, observedGeneration: 1, lastTransitionTime: before };

describe('settleConditions', () => {
  it.each<[name: string, current: Condition[] | undefined, wishes: ConditionWish[], wanted: Condition[]]>([
    [
      'none before -> the time is now',
      undefined,
      [wish],
      [{ ...wish, observedGeneration: 2, lastTransitionTime: now.toISOString() }],
    ],
    [
      'same status, other reason -> keeps the time',
      [held],
      [{ ...wish, reason: 'Verifying' }],
      [{ ...held, reason: 'Verifying', observedGeneration: 2 }],
    ],
    [
      'other status -> the time is now',
      [held],
      [{ ...wish, status: 'True' }],
      [{ ...held, status: 'True', observedGeneration: 2, lastTransitionTime: now.toISOString() }],
    ],
    ['no longer wished -> goes', [held], [], []],
  ])('%s', (_, current, wishes, wanted) => {
    expect(settleConditions(wishes, current, 2, now)).toEqual(wanted);
  });
});
