import { describe, expect, it } from 'vitest';
import { crash, makeJob, makePod, now, running } from '../fixture/training.ts';
import type { JobView } from '../reconcile/job-view.ts';
import type { ActivePod } from '../reconcile/pod-view.ts';
import { startOf } from './start-trouble.ts';

const at = (time: string) => `2026-11-24T${time}Z`;
const wait = (since: string, reason = 'Unschedulable') => ({ reason, message: 'no', since: at(since) });
const stuck = (index: number, since: string, change: Partial<ActivePod> = {}): ActivePod => {
  const { startedAt: _, ...pod } = makePod(index);
  return { ...pod, waits: wait(since), ...change };
};
const trouble = (index: number, since: string) => ({
  trouble: { kind: 'waits', pod: `pod-${index}`, ...wait(since) },
});
const unmade = (made: number, since: string) => ({ trouble: { kind: 'unmade', made, since: at(since) } });

/** Now is 12:00:00. */
describe('startOf', () => {
  it.each<[name: string, change: Partial<JobView>, start: object]>([
    ['its pods run -> nothing', {}, {}],
    ['a pod is on its way -> nothing', { activePods: [makePod(0, { startedAt: '' })] }, {}],
    [
      'a pod waits for 9 s -> look again at 10 s',
      { activePods: [stuck(0, '11:59:51')] },
      { due: new Date(at('12:00:01')) },
    ],
    ['a pod waits for 10 s -> trouble', { activePods: [stuck(0, '11:59:50')] }, trouble(0, '11:59:50')],
    [
      'several wait -> the one that does so longest',
      { pods: 3, activePods: [stuck(2, '11:59:00'), stuck(0, '11:59:01'), stuck(1, '11:59:00')] },
      trouble(1, '11:59:00'),
    ],
    ['a pod that is going waits -> nothing', { activePods: [stuck(0, '11:59:00', { deleting: true })] }, {}],
    [
      'a pod waits behind the gate of a queue -> nothing',
      { activePods: [stuck(0, '11:59:00', { waits: wait('11:59:00', 'SchedulingGated') })] },
      {},
    ],
    ['a queue has suspended it -> nothing', { suspend: true, isSuspended: true, activePods: [] }, {}],
    ['it was told to end -> nothing', { ended: 'DeadlineExceeded', activePods: [stuck(0, '11:59:00')] }, {}],
    ['it is over -> nothing', { state: 'Failed', activePods: [stuck(0, '11:59:00')] }, {}],
    ['nobody has looked at it yet -> nothing', { startedAt: undefined, activePods: [] }, {}],
    [
      'its pods are not made at first -> look again at 30 s',
      { startedAt: at('11:59:40'), activePods: [] },
      { due: new Date(at('12:00:10')) },
    ],
    [
      'its pods are not made -> trouble',
      { startedAt: at('11:59:30'), activePods: [] },
      unmade(0, '11:59:30'),
    ],
    [
      'only some of its pods are made -> trouble since the last one',
      { pods: 3, activePods: [makePod(0), makePod(1, { createdAt: at('11:40:00') })] },
      unmade(2, '11:40:00'),
    ],
    [
      'a pod has failed -> its next may take the longest back-off',
      { failed: 1, failures: [crash(at('11:59:00'))], activePods: [] },
      { due: new Date(at('12:09:30')) },
    ],
    ['all of its pods are made or done -> nothing', { pods: 2, succeededPods: 1 }, {}],
  ])('%s', (_, change, start) => {
    expect(startOf(makeJob('train', 'one', { ...running, ...change }), now)).toEqual(start);
  });
});
