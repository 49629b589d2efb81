import type { StageProgress } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { makeJob, makePod, now, running } from '../fixture/training.ts';
import type { JobView } from '../reconcile/job-view.ts';
import { type Stall, stallMark, stallOf } from './stall.ts';

const at = (time: string) => `2026-11-24T${time}Z`;
const advanced = (time: string): StageProgress => ({
  role: 'train',
  stage: 'one',
  attempt: 1,
  phase: 'train',
  completed: 3,
  total: 9,
  unit: 'steps',
  reportedAt: at('11:59:59'),
  advancedAt: at(time),
});
const fresh = makePod(1, { createdAt: at('11:58:00'), startedAt: at('11:58:01') });

const waiting = { name: 'pod-1', uid: 'uid-of-pod-1', createdAt: at('11:30:00'), deleting: false };

describe('stallOf, at 12:00 with ten minutes to stand still', () => {
  it.each<[name: string, job: Partial<JobView>, progress: StageProgress | undefined, wanted: Stall]>([
    ['no pod yet -> waits', { activePods: [] }, undefined, { state: 'waiting' }],
    [
      'a pod that waits for a node -> waits',
      { pods: 2, activePods: [makePod(0), waiting] },
      undefined,
      { state: 'waiting' },
    ],
    ['one of two pods is being replaced -> waits', { pods: 2 }, undefined, { state: 'waiting' }],
    ['started at 11:30 and never reported -> stalled', {}, undefined, { state: 'stalled' }],
    [
      'advanced at 11:55 -> moves, until 12:05',
      {},
      advanced('11:55:00'),
      { state: 'moving', due: new Date(at('12:05:00')) },
    ],
    ['advanced at 11:49, though it reports -> stalled', {}, advanced('11:49:00'), { state: 'stalled' }],
    [
      'a new pod has to load first -> moves from its start',
      { activePods: [fresh] },
      advanced('11:20:00'),
      { state: 'moving', due: new Date(at('12:08:01')) },
    ],
    [
      'one rank is done, the other still runs -> the other is looked at',
      { pods: 2, succeededPods: 1 },
      advanced('11:40:00'),
      { state: 'stalled' },
    ],
    [
      'marked as stalled -> its pods are to go',
      { stalledAt: [at('11:59:00')] },
      advanced('11:40:00'),
      { state: 'replacing', pods: [makePod()] },
    ],
    [
      'marked, and its pod is going -> nothing more to remove',
      { stalledAt: [at('11:59:00')], activePods: [makePod(0, { deleting: true })] },
      advanced('11:40:00'),
      { state: 'replacing', pods: [] },
    ],
    [
      'marked, and replaced -> the clock runs from the new pod',
      { stalledAt: [at('11:57:00')], activePods: [fresh] },
      advanced('11:40:00'),
      { state: 'moving', due: new Date(at('12:08:01')) },
    ],
  ])('%s', (_, job, progress, wanted) => {
    expect(stallOf(makeJob('train', 'one', { ...running, ...job }), progress, 600, now)).toEqual(wanted);
  });

  it('dates a mark so that a pod made in the same second comes after it', () => {
    expect(stallMark(new Date('2026-11-24T12:00:00.999Z'))).toBe('2026-11-24T12:00:00Z');
  });
});
