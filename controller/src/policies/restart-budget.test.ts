import { describe, expect, it } from 'vitest';
import { makeJob, running } from '../fixture/training.ts';
import type { JobView } from '../reconcile/job-view.ts';
import type { EndedRank } from '../reconcile/pod-view.ts';
import { distinctFailures, failuresWithin } from './restart-budget.ts';

const at = (time: string) => `2026-11-24T${time}Z`;
const failed = (time: string, rest: Partial<EndedRank> = {}): EndedRank => ({
  startedAt: at('09:00:00'),
  at: at(time),
  exitCode: 1,
  lostPeer: false,
  counts: true,
  ...rest,
});

describe('distinctFailures', () => {
  it.each<[name: string, ended: EndedRank[], wanted: string[]]>([
    ['none -> none', [], []],
    ['one rank -> one', [failed('10:00:00')], [at('10:00:00')]],
    [
      'the whole gang -> the rank that took the others with it',
      [failed('10:00:04'), failed('10:00:00'), failed('10:10:00')],
      [at('10:00:00')],
    ],
    [
      'ranks that fail because one was evicted -> none',
      [failed('10:00:00', { counts: false }), failed('10:00:05')],
      [],
    ],
    [
      'a crash that its peers tell of in the same second -> one',
      [failed('10:00:00', { exitCode: 75, lostPeer: true, counts: false }), failed('10:00:00')],
      [at('10:00:00')],
    ],
    [
      'a gang that fails again after its restart -> two',
      [failed('10:00:00'), failed('10:01:00', { startedAt: at('10:00:12') })],
      [at('10:00:00'), at('10:01:00')],
    ],
  ])('%s', (_, ended, wanted) => {
    expect(distinctFailures(ended)).toEqual(wanted);
  });
});

describe('failuresWithin an hour before 12:00', () => {
  const old = { createdAt: at('09:00:00') };
  const young = { createdAt: at('11:10:00') };
  it.each<[name: string, jobs: Partial<JobView>[], retriedAt: string | undefined, wanted: number]>([
    ['no Jobs -> 0', [], undefined, 0],
    ['older than the window -> no longer counts', [{ failures: [failed('10:59:59')] }], undefined, 0],
    ['on its edge -> counts', [{ failures: [failed('11:00:00')] }], undefined, 1],
    [
      'stalls count as failures do',
      [{ failures: [failed('11:20:00')], stalledAt: [at('10:30:00'), at('11:40:00')] }],
      undefined,
      2,
    ],
    [
      'failures of all Jobs of the stage are added',
      [{ failures: [failed('11:20:00')] }, { failures: [failed('11:50:00')] }],
      undefined,
      2,
    ],
    [
      'what failed before the user asked to try again is forgiven',
      [{ failures: [failed('11:20:00'), failed('11:40:00', { startedAt: at('11:30:00') })] }],
      at('11:30:00'),
      1,
    ],
    [
      "failed pods were deleted, but the Job's own count proves six of two pods each -> 3",
      [{ ...young, ...running, pods: 2, failed: 6, failures: [] }],
      undefined,
      3,
    ],
    [
      'the count of a Job that is ending holds pods that it stopped itself',
      [{ ...young, ...running, pods: 2, failed: 2, ended: 'DeadlineExceeded' }],
      undefined,
      0,
    ],
    [
      'the count of a Job that is older than the window proves nothing within it',
      [{ ...old, ...running, pods: 1, failed: 6, failures: [] }],
      undefined,
      0,
    ],
  ])('%s', (_, jobs, retriedAt, wanted) => {
    const views = jobs.map((job) => makeJob('train', 'one', job));
    const window = { seconds: 3600, until: new Date(at('12:00:00')), retriedAt };
    expect(failuresWithin(views, window)).toBe(wanted);
  });
});
