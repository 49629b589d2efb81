import { describe, expect, it } from 'vitest';
import { makeJob, now, running } from '../fixture/training.ts';
import type { JobView } from '../reconcile/job-view.ts';
import { type Deadline, deadlineOf } from './deadline.ts';
import { activeSeconds, type Usage, usageOf } from './usage.ts';

const gang = { pods: 2, gpusPerPod: 8 };
const rows: [name: string, job: Partial<JobView>, usage: Usage, seconds: number][] = [
  ['complete after an hour', gang, { activeSeconds: 3600, gpuSeconds: 57_600 }, 3600],
  [
    'running for half an hour -> that comes on top of what is finished',
    { ...gang, ...running },
    { activeSince: '2026-11-24T11:30:00Z', activeSeconds: 0, gpuSeconds: 0 },
    1800,
  ],
  [
    'suspended after 90 s -> only what the annotation holds',
    { ...gang, ...running, suspend: true, isSuspended: true, activeSecondsBefore: 90 },
    { activeSeconds: 90, gpuSeconds: 1440 },
    90,
  ],
  [
    'asked to suspend a moment ago -> the interval is in the annotation already',
    { ...running, suspend: true, activeSecondsBefore: 1800 },
    { activeSeconds: 1800, gpuSeconds: 0 },
    1800,
  ],
  [
    'asked to resume a moment ago -> the start is still that of the interval before',
    { ...running, isSuspended: true, activeSecondsBefore: 1800 },
    { activeSeconds: 1800, gpuSeconds: 0 },
    1800,
  ],
  [
    'not seen by the Job controller yet -> nothing',
    { ...running, startedAt: undefined },
    { activeSeconds: 0, gpuSeconds: 0 },
    0,
  ],
];

describe('the usage of a Job', () => {
  it.each(rows)('%s', (_, change, usage, seconds) => {
    const job = makeJob('train', 'one', change);
    expect({ usage: usageOf([job]), seconds: activeSeconds(job, now) }).toEqual({ usage, seconds });
  });
});

describe('deadlineOf', () => {
  const complete = makeJob('generate', 'one');
  const active = makeJob('train', 'one', running);
  const suspended = makeJob('train', 'one', { ...running, suspend: true, isSuspended: true });
  it.each<[name: string, jobs: JobView[], limit: number | undefined, wanted: Deadline]>([
    ['no limit', [complete, active], undefined, { exceeded: false }],
    [
      'one hour done, half an hour running, two allowed -> due in half an hour',
      [complete, active],
      7200,
      { exceeded: false, due: new Date('2026-11-24T12:30:00Z') },
    ],
    ['as long as allowed, to the second -> exceeded', [complete, active], 5400, { exceeded: true }],
    ['nothing runs -> no time at which it will be', [complete], 7200, { exceeded: false }],
    ['suspended time does not count', [complete, suspended], 3700, { exceeded: false }],
  ])('%s', (_, jobs, limit, wanted) => {
    expect(deadlineOf(jobs, limit, now)).toEqual(wanted);
  });
});
