import type { LongPOTrainingStatus, StageStatus } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { eventsOf } from './events.ts';

const stage = (change: Partial<StageStatus> = {}): StageStatus => ({
  name: 'one',
  state: 'Training',
  attempt: 1,
  restarts: 0,
  ...change,
});
const condition = (type: string, status: 'True' | 'False' | 'Unknown', reason: string, message = reason) => ({
  type,
  status,
  reason,
  message,
  observedGeneration: 1,
  lastTransitionTime: '2026-11-24T12:00:00Z',
});
const status = (
  stages: StageStatus[],
  ...conditions: ReturnType<typeof condition>[]
): LongPOTrainingStatus => ({
  stages,
  conditions,
});
const failure = { pod: 'pod-1', exitCode: 1, code: 'LOST', message: 'a rank is gone' };

describe('eventsOf', () => {
  it.each<
    [name: string, before: LongPOTrainingStatus | undefined, after: LongPOTrainingStatus, told: string[]]
  >([
    ['first visit -> nothing', undefined, status([stage({ state: 'Pending' })]), []],
    [
      'a stage begins -> says so',
      status([stage({ state: 'Pending' })]),
      status([stage()]),
      ['Normal StageStarted: stage one has started'],
    ],
    ['nothing new -> nothing', status([stage()]), status([stage()]), []],
    [
      'a pod has failed -> says which, once',
      status([stage()]),
      status([stage({ lastFailure: failure })]),
      ['Warning PodFailed: stage one: [LOST] a rank is gone (pod pod-1, exit code 1)'],
    ],
    [
      'the same failure again -> nothing',
      status([stage({ lastFailure: failure })]),
      status([stage({ lastFailure: failure })]),
      [],
    ],
    [
      'a pod was stopped and asks to be started again -> nothing',
      status([stage()]),
      status([stage({ lastFailure: { ...failure, exitCode: 75 } })]),
      [],
    ],
    [
      'another attempt -> says which',
      status([stage()]),
      status([stage({ attempt: 2 })]),
      ['Normal AttemptStarted: stage one is at attempt 2'],
    ],
    [
      'a stage is verified -> says so',
      status([stage({ state: 'Verifying' })]),
      status([stage({ state: 'Succeeded' })]),
      ['Normal StageFinished: stage one has a verified checkpoint'],
    ],
    [
      'it stands still -> warns',
      status([], condition('Progressing', 'True', 'Advancing')),
      status([], condition('Progressing', 'False', 'Stalled')),
      ['Warning Stalled: Stalled'],
    ],
    [
      'its pods cannot start -> warns',
      status([], condition('PodsReady', 'False', 'PodsPending')),
      status([], condition('PodsReady', 'False', 'PodsCannotStart', 'pod-1 waits')),
      ['Warning PodsCannotStart: pod-1 waits'],
    ],
    [
      'another of its pods cannot start -> nothing',
      status([], condition('PodsReady', 'False', 'PodsCannotStart', 'pod-1 waits')),
      status([], condition('PodsReady', 'False', 'PodsCannotStart', 'pod-2 waits')),
      [],
    ],
    [
      'its pods are being suspended -> says so',
      status([], condition('Suspended', 'False', 'NotSuspended')),
      status([], condition('Suspended', 'False', 'Suspending')),
      ['Normal Suspending: Suspending'],
    ],
    [
      'it goes on -> says so',
      status([], condition('Suspended', 'True', 'Suspended')),
      status([], condition('Suspended', 'False', 'NotSuspended')),
      ['Normal Resumed: NotSuspended'],
    ],
    [
      'it has succeeded -> says so',
      status([], condition('Succeeded', 'Unknown', 'Serving')),
      status([], condition('Succeeded', 'True', 'Completed')),
      ['Normal Completed: Completed'],
    ],
    [
      'it has failed -> warns with the reason',
      status([], condition('Succeeded', 'Unknown', 'Training')),
      status([], condition('Succeeded', 'False', 'RestartsExhausted', 'too often')),
      ['Warning RestartsExhausted: too often'],
    ],
    [
      'it goes from step to step -> nothing',
      status([], condition('Succeeded', 'Unknown', 'Generating')),
      status([], condition('Succeeded', 'Unknown', 'Training')),
      [],
    ],
  ])('%s', (_, before, after, told) => {
    expect(
      eventsOf(before, after).map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
    ).toEqual(told);
  });
});
