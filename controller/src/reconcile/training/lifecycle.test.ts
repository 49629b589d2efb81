import type { LongPOTrainingStatus } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { decide } from '../../fixture/decision.ts';
import { generated, trained } from '../../fixture/results.ts';
import { failedWith, makeJob, makePod, makeServing, running, type Scene } from '../../fixture/training.ts';

const fetch = makeJob('fetch');
const generate = makeJob('generate', 'one');
const train = makeJob('train', 'one');
const verify = makeJob('verify', 'one');
const served = makeServing('demo', 'Available');
const retried = { 'longpo.dev/retried-at': '2026-11-24T11:30:00Z' };
const wide = [{ name: 'one', contextLength: 1024, parallelism: { sequence: 3, processesPerPod: 1 } }];
const nothing: string[] = [];

/** What decide itself wrote about a finished training. */
const finished = decide({ jobs: [fetch, generate, train, verify], servings: [served] }).status;
const seen = (attempt: number, role = 'train'): LongPOTrainingStatus => ({
  stages: [
    {
      name: 'one',
      state: 'Training',
      attempt,
      restarts: 0,
      jobName: `demo-one-${role}-a${attempt}`,
      data: generated('one'),
    },
  ],
});

type Wanted = { apply?: string[]; remove?: string[]; state: string; succeeded: string };
const rows: [name: string, scene: Scene, wanted: Wanted][] = [
  [
    'suspended before anything was made -> makes nothing',
    { spec: { suspend: true } },
    { state: 'Suspended', succeeded: 'Unknown Suspended' },
  ],
  [
    'suspended between two steps -> makes neither Job nor server',
    { jobs: [fetch], spec: { suspend: true } },
    { state: 'Suspended', succeeded: 'Unknown Suspended' },
  ],
  [
    'suspended when it serves -> the final server is left alone',
    { jobs: [fetch, generate, train, verify], servings: [served], spec: { suspend: true } },
    { apply: ['LongPOServing/demo'], state: 'Succeeded', succeeded: 'True Completed' },
  ],
  [
    'a claim with a size -> comes before the first Job',
    { spec: { storage: { size: '1Ti' } } },
    {
      apply: ['PersistentVolumeClaim/longpo', 'Job/demo-fetch-a1'],
      state: 'Fetching',
      succeeded: 'Unknown Fetching',
    },
  ],
  [
    'a pod of an earlier Job has not ended -> makes no Job yet',
    { jobs: [fetch, generate], strayPods: ['demo-one-train-a1-0'] },
    { state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'failed and retried, but a pod of it has not ended -> waits',
    {
      jobs: [fetch, generate, makeJob('train', 'one', { ...failedWith(1), activePods: [makePod()] })],
      annotations: retried,
    },
    { state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'somebody deleted the Job of attempt 2 -> makes attempt 2 again',
    { jobs: [fetch, generate, makeJob('train', 'one', failedWith(1))], status: seen(2) },
    { apply: ['Job/demo-one-train-a2'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'the data took two attempts -> training begins with the second, so that attempts never go back',
    { jobs: [fetch, makeJob('generate', 'one', { attempt: 2 })] },
    { apply: ['Job/demo-one-train-a2'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'somebody deletes the Job that trains -> waits until it is gone',
    { jobs: [fetch, generate, makeJob('train', 'one', { ...running, deleting: true })], status: seen(1) },
    { state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'somebody deleted the Job that wrote the data while the stage trains -> does not write it again',
    { jobs: [fetch, makeJob('train', 'one', running)], status: seen(1) },
    { state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'somebody deleted the Job that read the model while a stage runs -> does not read it again',
    {
      jobs: [generate, makeJob('train', 'one', running)],
      status: { ...finished, ...seen(1), conditions: [] },
    },
    { state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'trains in another shape than asked -> the next attempt waits for its end',
    {
      jobs: [fetch, generate, makeJob('train', 'one', { ...running, shape: '1x1/1' })],
      spec: { stages: wide },
    },
    { apply: ['Service/demo-one-train-a1'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'ended for its shape -> the next attempt, of the new shape',
    {
      jobs: [
        fetch,
        generate,
        makeJob('train', 'one', { ...failedWith(75), shape: '1x1/1', ended: 'ShapeChanged' }),
      ],
      spec: { stages: wide },
    },
    {
      apply: ['Service/demo-one-train-a2', 'Job/demo-one-train-a2'],
      state: 'Training',
      succeeded: 'Unknown Training',
    },
  ],
  [
    'failed too often -> RestartsExhausted',
    {
      jobs: [fetch, generate, makeJob('train', 'one', { ...failedWith(1), ended: 'RestartsExhausted' })],
    },
    { state: 'Failed', succeeded: 'False RestartsExhausted' },
  ],
  [
    'past the deadline between two Jobs -> fails and gives the server back',
    {
      jobs: [fetch],
      servings: [makeServing('demo-one-gen', 'Starting')],
      spec: { activeDeadlineSeconds: 3600 },
    },
    { remove: ['LongPOServing/demo-one-gen'], state: 'Failed', succeeded: 'False DeadlineExceeded' },
  ],
  [
    'past the deadline when everything is verified -> serves all the same',
    { jobs: [fetch, generate, train, verify], spec: { activeDeadlineSeconds: 3600 } },
    { apply: ['LongPOServing/demo'], state: 'Serving', succeeded: 'Unknown Serving' },
  ],
  [
    'checkpoint changed on disk, then retried -> trains again',
    { jobs: [fetch, generate, train, makeJob('verify', 'one', failedWith(4))], annotations: retried },
    { apply: ['Job/demo-one-train-a2'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'trained again -> verifies again',
    {
      jobs: [
        fetch,
        generate,
        train,
        makeJob('verify', 'one', failedWith(4)),
        makeJob('train', 'one', { attempt: 2, finishedAt: '2026-11-24T11:45:00Z' }),
      ],
      annotations: retried,
    },
    { apply: ['Job/demo-one-verify-a2'], state: 'Verifying', succeeded: 'Unknown Verifying' },
  ],
  [
    'succeeded, then its server cannot answer any more -> has succeeded',
    {
      jobs: [fetch, generate, train, verify],
      servings: [makeServing('demo', 'Unavailable', 'no')],
      status: finished,
    },
    { apply: ['LongPOServing/demo'], state: 'Succeeded', succeeded: 'True Completed' },
  ],
  [
    'succeeded, then somebody deletes its Jobs -> has succeeded',
    { servings: [served], status: finished },
    { apply: ['LongPOServing/demo'], state: 'Succeeded', succeeded: 'True Completed' },
  ],
];

describe('the life of a training', () => {
  it.each(rows)('%s', (_, scene, wanted) => {
    expect(decide(scene).summary).toEqual({ apply: nothing, remove: nothing, ...wanted });
  });

  it('goes so long after it has succeeded as asked, and only as it was seen', () => {
    const scene: Scene = {
      jobs: [fetch, generate, train, verify],
      servings: [served],
      status: finished,
      spec: { ttlSecondsAfterFinished: 60 },
    };
    const early = decide(scene, new Date('2026-11-24T12:00:15Z')).plan;
    const due = decide(scene, new Date('2026-11-24T12:01:00Z')).plan;
    expect([early.remove, early.requeueAfterSeconds]).toEqual([[], 45]);
    expect([early.apply.length, due.apply]).toEqual([1, []]);
    // Whoever scales it is not corrected.
    expect(early.apply[0]).not.toHaveProperty('spec.replicas');
    expect(due.remove).toEqual([
      {
        apiVersion: 'longpo.dev/v1alpha1',
        kind: 'LongPOTraining',
        namespace: 'research',
        name: 'demo',
        preconditions: { uid: 'uid-demo', resourceVersion: '7' },
      },
    ]);
  });

  it('does not go before its end was written', () => {
    const jobs = [fetch, generate, train, verify];
    expect(decide({ jobs, servings: [served], spec: { ttlSecondsAfterFinished: 0 } }).plan.remove).toEqual(
      [],
    );
  });

  it('keeps the status of a training that has succeeded, whatever the hour', () => {
    const scene: Scene = { jobs: [fetch, generate, train, verify], servings: [served], status: finished };
    expect(decide(scene, new Date('2027-01-01T00:00:00Z')).status).toEqual(finished);
  });

  it.each<
    [name: string, scene: Scene, podsReady: string, progressing: string, durable: string, suspended: string]
  >([
    ['at the first visit', {}, 'False NoPods', 'Unknown Waiting', 'False NotYet', 'False NotSuspended'],
    [
      'while its pods wait',
      { jobs: [makeJob('fetch', '', { ...running, startedAt: '2026-11-24T11:59:55Z', activePods: [] })] },
      'False PodsPending',
      'Unknown Waiting',
      'False NotYet',
      'False NotSuspended',
    ],
    [
      'while they cannot start',
      { jobs: [makeJob('fetch', '', { ...running, activePods: [] })] },
      'False PodsCannotStart',
      'Unknown Waiting',
      'False NotYet',
      'False NotSuspended',
    ],
    [
      'while its pods run',
      { jobs: [makeJob('fetch', '', running)] },
      'True AllPodsReady',
      'True Advancing',
      'False NotYet',
      'False NotSuspended',
    ],
    [
      'while it stands still',
      { jobs: [makeJob('fetch', '', { ...running, stalledAt: ['2026-11-24T11:59:00Z'] })] },
      'True AllPodsReady',
      'False Stalled',
      'False NotYet',
      'False NotSuspended',
    ],
    [
      'while its pods end for a suspension',
      { jobs: [makeJob('fetch', '', { ...running, suspend: true })], spec: { suspend: true } },
      'False NoPods',
      'False Suspended',
      'False NotYet',
      'False Suspending',
    ],
    [
      'once they have',
      {
        jobs: [makeJob('fetch', '', { ...running, suspend: true, activePods: [] })],
        spec: { suspend: true },
      },
      'False NoPods',
      'False Suspended',
      'False NotYet',
      'True Suspended',
    ],
    [
      'while a checkpoint is read again',
      { jobs: [fetch, generate, train] },
      'False NoPods',
      'Unknown Waiting',
      'False Verifying',
      'False NotSuspended',
    ],
    [
      'while the second stage trains',
      {
        jobs: [fetch, generate, train, verify, makeJob('generate', 'two'), makeJob('train', 'two', running)],
        spec: { stages: [...wide, { name: 'two', contextLength: 2048 }] },
      },
      'True AllPodsReady',
      'True Advancing',
      'True Verified',
      'False NotSuspended',
    ],
  ])('says how it is %s', (_, scene, podsReady, progressing, durable, suspended) => {
    const { find } = decide(scene);
    expect({
      podsReady: find('PodsReady'),
      progressing: find('Progressing'),
      durable: find('CheckpointDurable'),
      suspended: find('Suspended'),
      reconciled: find('ResourcesReconciled'),
    }).toEqual({ podsReady, progressing, durable, suspended, reconciled: 'True Reconciled' });
  });

  it('tells the newest failure by its time, where it was, and how far the stage was', () => {
    const failure = (pod: string, at: string) => ({
      pod,
      exitCode: 1,
      code: 'E',
      message: 'm',
      node: 'n1',
      at,
    });
    const jobs = [
      fetch,
      makeJob('train', 'one', { ...running, lastFailure: failure('newer', '2026-11-24T11:50:00Z') }),
      makeJob('generate', 'one', { lastFailure: failure('older', '2026-11-24T10:30:00Z') }),
    ];
    const report = {
      role: 'train',
      stage: 'one',
      attempt: 1,
      phase: 'train',
      completed: 7,
      total: 9,
      unit: 'steps',
      reportedAt: '2026-11-24T11:49:00Z',
    } as const;
    const [stage = { name: 'one', state: 'Training', attempt: 1, restarts: 0 }] = seen(1).stages ?? [];
    const first = decide({ jobs, status: { stages: [{ ...stage, progress: report }] } }).status;
    const later = { ...report, completed: 8, reportedAt: '2026-11-24T11:58:00Z' };
    const stages = (first.stages ?? []).map((known) => ({ ...known, progress: later }));
    const second = decide({ jobs, status: { ...first, stages } }).status;
    const wanted = { ...failure('newer', '2026-11-24T11:50:00Z'), step: 7 };
    expect([first, second].map(({ stages: [known] = [] }) => known?.lastFailure)).toEqual([wanted, wanted]);
  });

  it('takes a retry from a clock that is ahead once its time has come, for one attempt', () => {
    const annotations = { 'longpo.dev/retried-at': '2026-11-24T12:05:00Z' };
    const jobs = [fetch, generate, makeJob('train', 'one', failedWith(2))];
    const failed = { apply: nothing, remove: nothing, state: 'Failed', succeeded: 'False ConfigInvalid' };
    const before = decide({ jobs, annotations });
    expect([before.summary, before.plan.requeueAfterSeconds]).toEqual([failed, 300]);
    const due = new Date('2026-11-24T12:05:00Z');
    const then = decide({ jobs, annotations }, due);
    expect([then.summary.apply, then.plan.requeueAfterSeconds]).toEqual([
      ['Job/demo-one-train-a2'],
      undefined,
    ]);
    const second = { ...failedWith(2), attempt: 2, finishedAt: '2026-11-24T12:06:00Z' };
    const after = decide(
      { jobs: [...jobs, makeJob('train', 'one', second)], annotations },
      new Date('2026-11-24T12:07:00Z'),
    );
    expect(after.summary).toEqual(failed);
  });

  it('adds up what the stages used', () => {
    const gpus = { gpusPerPod: 8, pods: 2 };
    const jobs = [fetch, generate, makeJob('train', 'one', gpus), makeJob('verify', 'one', running)];
    const { gpuSeconds, stages } = decide({ jobs }).status;
    expect({ gpuSeconds, usage: stages?.[0]?.usage }).toEqual({
      gpuSeconds: 57_600,
      usage: { activeSince: '2026-11-24T11:30:00Z', activeSeconds: 7200, gpuSeconds: 57_600 },
    });
    expect(stages?.[0]?.checkpoint?.path).toBe(trained('one').checkpoint);
  });
});
