import type { LongPOTrainingStatus, StageProgress } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import {
  crash,
  makeJob,
  makePod,
  makeServing,
  makeTraining,
  now,
  running,
  type Scene,
  settings,
} from '../../fixture/training.ts';
import type { JobView } from '../job-view.ts';
import type { Plan } from '../plan.ts';
import { decideTraining } from './decide.ts';

const fetch = makeJob('fetch');
const generate = makeJob('generate', 'one');
const train = (change: Partial<JobView> = {}) =>
  makeJob('train', 'one', { ...running, shape: '1x1/1', ...change });
const scene = (job: JobView, spec: Scene['spec'] = {}, rest: Scene = {}): Scene => ({
  jobs: [fetch, generate, job],
  spec,
  ...rest,
});
const at = (time: string) => `2026-11-24T${time}Z`;
const crashes = (...times: string[]) => times.map((time) => crash(at(time)));

const progress: StageProgress = {
  role: 'train',
  stage: 'one',
  attempt: 1,
  phase: 'train',
  completed: 2,
  total: 5,
  percent: 40,
  unit: 'steps',
  reportedAt: at('11:59:00'),
  advancedAt: at('11:55:00'),
};
const reported = (change: Partial<StageProgress> = {}): LongPOTrainingStatus => ({
  stages: [{ name: 'one', state: 'Training', attempt: 1, restarts: 0, progress: { ...progress, ...change } }],
});

/** What a plan does to Jobs and pods. */
const actions = ({ apply, merge = [], remove }: Plan) => ({
  apply: apply.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
  merge: merge.map(({ kind, name, patch, preconditions }) => ({
    child: `${kind}/${name}`,
    patch,
    preconditions,
  })),
  remove: remove.map(({ kind, name, preconditions }) => ({ child: `${kind}/${name}`, preconditions })),
});
const job = 'Job/demo-one-train-a1';
const preconditions = { uid: 'uid-of-demo-one-train-a1', resourceVersion: '5' };
const patched = (patch: object) => ({ apply: [], merge: [{ child: job, patch, preconditions }], remove: [] });
const nothing = { apply: [], merge: [], remove: [] };
const ended = (reason: string, spec: object = {}) =>
  patched({
    metadata: { annotations: { 'longpo.dev/ended': reason } },
    spec: { activeDeadlineSeconds: 1, ...spec },
  });

const rows: [name: string, scene: Scene, wanted: ReturnType<typeof actions>][] = [
  ['a Job that runs and moves -> nothing', scene(train(), {}, { status: reported() }), nothing],
  [
    'suspended after half an hour -> one patch that remembers the time',
    scene(train(), { suspend: true }),
    patched({ metadata: { annotations: { 'longpo.dev/active-seconds': '1800' } }, spec: { suspend: true } }),
  ],
  [
    'suspended a second time -> the times add up',
    scene(train({ activeSecondsBefore: 60 }), { suspend: true }),
    patched({ metadata: { annotations: { 'longpo.dev/active-seconds': '1860' } }, spec: { suspend: true } }),
  ],
  [
    'suspended already -> nothing',
    scene(train({ suspend: true, isSuspended: true, activePods: [] }), { suspend: true }),
    nothing,
  ],
  [
    'resumed -> runs again',
    scene(train({ suspend: true, isSuspended: true, activePods: [] })),
    patched({ spec: { suspend: false } }),
  ],
  [
    'resumed before the Job controller has seen the suspension -> waits for it',
    scene(train({ suspend: true })),
    nothing,
  ],
  [
    'as many failures as allowed -> goes on',
    scene(
      train({ failures: crashes('11:31:00', '11:40:00') }),
      { restarts: { maxPerStage: 2 } },
      { status: reported() },
    ),
    nothing,
  ],
  [
    'one failure more than allowed -> is ended',
    scene(train({ failures: crashes('11:31:00', '11:40:00', '11:50:00') }), { restarts: { maxPerStage: 2 } }),
    ended('RestartsExhausted'),
  ],
  [
    'told to end already -> nothing',
    scene(train({ failures: crashes('11:31:00'), ended: 'RestartsExhausted' }), {
      restarts: { maxPerStage: 0 },
    }),
    nothing,
  ],
  [
    'past the deadline of all stages -> is ended',
    scene(train(), { activeDeadlineSeconds: 9000 }),
    ended('DeadlineExceeded'),
  ],
  [
    'past the deadline, but suspended -> stays suspended',
    scene(train({ suspend: true, isSuspended: true }), { activeDeadlineSeconds: 7200, suspend: true }),
    nothing,
  ],
  [
    'past the deadline when it is resumed -> is ended without pods',
    scene(train({ suspend: true, isSuspended: true }), { activeDeadlineSeconds: 7200 }),
    ended('DeadlineExceeded', { suspend: false, parallelism: 0 }),
  ],
  ['of another shape than the stage -> is ended', scene(train({ shape: '4x1/4' })), ended('ShapeChanged')],
  [
    'no progress for longer than allowed -> is marked first',
    scene(
      train({ stalledAt: [at('11:00:00')] }),
      { restarts: { stallAfterSeconds: 240 } },
      { status: reported() },
    ),
    patched({
      metadata: { annotations: { 'longpo.dev/stalled-at': `${at('11:00:00')},${at('12:00:00')}` } },
    }),
  ],
  [
    'marked as stalled -> the pods of before go, by their uid',
    scene(train({ stalledAt: [at('11:59:00')], activePods: [makePod(0), makePod(1, { deleting: true })] })),
    { apply: [], merge: [], remove: [{ child: 'Pod/pod-0', preconditions: { uid: 'uid-of-pod-0' } }] },
  ],
  [
    'more stalls than failures are allowed -> is ended',
    scene(train({ stalledAt: [at('11:40:00')] }), { restarts: { maxPerStage: 0 } }),
    ended('RestartsExhausted'),
  ],
  ['being deleted -> is waited for', scene(train({ deleting: true }), { suspend: true }), nothing],
];

describe('a Job that has not ended', () => {
  it.each(rows)('%s', (_, input, wanted) => {
    expect(actions(decideTraining(makeTraining(input), settings, now))).toEqual(wanted);
  });

  it.each<[name: string, input: Scene, seconds: number | undefined]>([
    ['its next possible stall', scene(train(), {}, { status: reported() }), 3300],
    [
      'its deadline, when that comes first',
      scene(train(), { activeDeadlineSeconds: 9900 }, { status: reported() }),
      900,
    ],
    ['nothing, while its pods wait for nodes', scene(train({ activePods: [] })), undefined],
    [
      'at most a day',
      scene(train(), { restarts: { stallAfterSeconds: 1_000_000_000 } }, { status: reported() }),
      86_400,
    ],
  ])('is looked at again for %s', (_, input, seconds) => {
    expect(decideTraining(makeTraining(input), settings, now).requeueAfterSeconds).toBe(seconds);
  });

  it('stops the server that a generator asks, and lets it go on', () => {
    const jobs = [
      fetch,
      makeJob('generate', 'one', { ...running, suspend: true, isSuspended: true, activePods: [] }),
    ];
    const servings = [makeServing('demo-one-gen', 'Available')];
    const replicas = (suspend: boolean) => {
      const { apply } = decideTraining(makeTraining({ jobs, servings, spec: { suspend } }), settings, now);
      return apply.map((object) => (object as { spec?: { replicas?: number } }).spec?.replicas);
    };
    expect([replicas(true), replicas(false)]).toEqual([[0], [1]]);
  });

  it('shows how far it is, and the GPUs that it holds', () => {
    const input = scene(train({ gpusPerPod: 8, pods: 2 }), {}, { status: reported() });
    const { progress: percent, gpus } = decideTraining(makeTraining(input), settings, now)
      .status as LongPOTrainingStatus;
    expect({ percent, gpus }).toEqual({ percent: '40%', gpus: 16 });
  });

  it('takes a report of the attempt before for none', () => {
    const input = scene(train({ attempt: 2 }), {}, { status: reported() });
    expect(decideTraining(makeTraining(input), settings, now).status).not.toHaveProperty('progress');
  });
});
