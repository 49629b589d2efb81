import { describe, expect, it } from 'vitest';
import { failedWith, makeJob, running } from '../fixture/training.ts';
import type { JobView } from '../reconcile/job-view.ts';
import { type Attempt, currentAttempt } from './attempt.ts';

const complete = makeJob('train', 'one');
const active = makeJob('train', 'one', running);
const failed = makeJob('train', 'one', { ...failedWith(1), finishedAt: '2026-11-24T11:00:00Z' });
const silent = makeJob('train', 'one', { result: undefined });
const second = makeJob('train', 'one', { attempt: 2 });
const tenth = makeJob('train', 'one', { attempt: 10 });

describe('currentAttempt', () => {
  it.each<[name: string, jobs: JobView[], retriedAt: string | undefined, wanted: Attempt]>([
    ['no Job yet -> the first', [], undefined, { number: 1, job: undefined }],
    ['no Job yet, retried -> still the first', [], '2026-11-24T11:30:00Z', { number: 1, job: undefined }],
    ['several Jobs -> the newest', [failed, tenth, second], undefined, { number: 10, job: tenth }],
    ['running, retried -> runs on', [active], '2026-11-24T11:30:00Z', { number: 1, job: active }],
    [
      'complete, retried -> is not done again',
      [complete],
      '2026-11-24T11:30:00Z',
      { number: 1, job: complete },
    ],
    ['failed -> stays', [failed], undefined, { number: 1, job: failed }],
    ['failed after the retry -> stays', [failed], '2026-11-24T10:30:00Z', { number: 1, job: failed }],
    ['failed, retried after -> the next', [failed], '2026-11-24T11:30:00Z', { number: 2, job: undefined }],
    ['failed, retried at no time -> stays', [failed], 'yes', { number: 1, job: failed }],
    [
      'retried in another time zone after the failure -> the next',
      [failed],
      '2026-11-24T13:30:00+02:00',
      { number: 2, job: undefined },
    ],
    [
      'complete without a result, retried after -> the next',
      [silent],
      '2026-11-24T11:30:00Z',
      { number: 2, job: undefined },
    ],
  ])('%s', (_, jobs, retriedAt, wanted) => {
    expect(currentAttempt(jobs, { retriedAt })).toEqual(wanted);
  });

  it.each<[name: string, jobs: JobView[], seen: number, wanted: Attempt]>([
    ['gone, though the status names it -> the same again', [failed], 2, { number: 2, job: undefined }],
    ['all gone -> the one that the status names', [], 3, { number: 3, job: undefined }],
    ['newer than the status says -> the newer', [second], 1, { number: 2, job: second }],
  ])('%s', (_, jobs, seen, wanted) => {
    expect(currentAttempt(jobs, { retriedAt: undefined, seen })).toEqual(wanted);
  });

  it('no Job yet, after the second attempt of the step before -> the second', () => {
    expect(currentAttempt([], { retriedAt: undefined, first: 2 })).toEqual({ number: 2, job: undefined });
  });

  it('complete, and its pods are gone with the result -> the next, without being asked', () => {
    const lost = (attempt: number) => ({ ...silent, attempt, succeededPods: 0 });
    expect(currentAttempt([lost(1)], { retriedAt: undefined })).toEqual({ number: 2, job: undefined });
    const often = [lost(1), lost(2), lost(3), lost(4)];
    expect(currentAttempt(often, { retriedAt: undefined })).toEqual({ number: 4, job: lost(4) });
  });

  it('ended for a change of its shape -> the next, without being asked', () => {
    const reshaped = { ...failed, ended: 'ShapeChanged' };
    expect(currentAttempt([reshaped], { retriedAt: undefined })).toEqual({ number: 2, job: undefined });
  });
});
