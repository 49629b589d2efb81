import type { Condition, LongPOTrainingStatus } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { decide } from '../../fixture/decision.ts';
import { digestOf, facts, fetched, generated, trained } from '../../fixture/results.ts';
import {
  crash,
  failedWith,
  makeJob,
  makeServing,
  makeTraining,
  now,
  running,
  type Scene,
  settings,
} from '../../fixture/training.ts';
import { decideTraining } from './decide.ts';

const statusOf = (scene: Scene) => decide(scene).status;

const fetch = makeJob('fetch');
const generate = makeJob('generate', 'one');
const train = makeJob('train', 'one');
const verify = makeJob('verify', 'one');
const stages = [
  { name: 'one', contextLength: 1024 },
  { name: 'two', contextLength: 2048 },
];

describe('the status that decideTraining writes', () => {
  it('names field, value, rule and fix when the model cannot be split', () => {
    const status = statusOf({
      jobs: [fetch],
      spec: { stages: [{ name: 'one', contextLength: 1024, parallelism: { sequence: 12 } }] },
    });
    expect(status.conditions?.find(({ type }) => type === 'Planned')).toEqual({
      type: 'Planned',
      status: 'False',
      reason: 'PlanInvalid',
      message:
        'spec.stages[0].parallelism.sequence is 12, but the model has 9 query heads and Ulysses splits heads: use 1 to 9',
      observedGeneration: 1,
      lastTransitionTime: now.toISOString(),
    });
  });

  it('says with the url what a finished training has made', () => {
    const status = statusOf({
      jobs: [fetch, generate, train, verify],
      servings: [makeServing('demo', 'Available')],
    });
    const condition = (
      type: string,
      reason: string,
      message: string,
      status: Condition['status'] = 'True',
    ): Condition => ({
      type,
      status,
      reason,
      message,
      observedGeneration: 1,
      lastTransitionTime: now.toISOString(),
    });
    const { loss, rewardMargin, rewardAccuracy, peakMemoryBytes } = trained('one');
    expect(status).toEqual({
      observedGeneration: 1,
      state: 'Succeeded',
      model: { path: fetched.path, digest: fetched.digest, facts },
      servingRef: { name: 'demo' },
      url: 'http://demo.research.svc:8000/v1',
      finishedAt: now.toISOString(),
      gpuSeconds: 0,
      conditions: [
        condition('Succeeded', 'Completed', 'every stage has a verified checkpoint'),
        condition('Planned', 'Fits', 'the model can be split as the stages ask'),
        condition('ResourcesReconciled', 'Reconciled', 'every object is as it should be'),
        condition('PodsReady', 'NoPods', 'no Job runs', 'False'),
        condition('Progressing', 'Completed', 'there is nothing left to do', 'False'),
        condition('CheckpointDurable', 'Verified', 'stage one, step 3'),
        condition('Suspended', 'NotSuspended', 'spec.suspend is not set', 'False'),
      ],
      stages: [
        {
          name: 'one',
          state: 'Succeeded',
          attempt: 1,
          restarts: 0,
          jobName: 'demo-one-verify-a1',
          startedAt: '2026-11-24T10:00:00Z',
          finishedAt: '2026-11-24T11:00:00Z',
          usage: { activeSeconds: 10_800, gpuSeconds: 0 },
          data: generated('one'),
          checkpoint: {
            path: 'demo/one/checkpoint',
            digest: digestOf('d'),
            step: 3,
            rows: 4,
            loss,
            rewardMargin,
            rewardAccuracy,
            evalLoss: 1.75,
            evalRewardAccuracy: 0.5,
            peakMemoryBytes,
            verified: true,
            master: 'demo/one/master',
            masterDigest: digestOf('c'),
          },
        },
      ],
    });
  });

  it.each([
    ['their pods are gone', [{ ...train, result: undefined, succeededPods: 0 }, verify]],
    ['they are gone', []],
  ])('keeps a finished stage and its weights when its Jobs tell nothing more: %s', (_, left) => {
    const stages = [
      { name: 'one', contextLength: 1024 },
      { name: 'two', contextLength: 2048 },
    ];
    const before = statusOf({ spec: { stages }, jobs: [fetch, generate, train, verify] });
    const scene = { spec: { stages }, status: before, servings: [makeServing('demo-two-gen', 'Available')] };
    const plan = decide({ ...scene, jobs: [fetch, ...left] }).plan;
    expect((plan.status as LongPOTrainingStatus).stages).toEqual(before.stages);
    expect(plan.apply.map(({ metadata }) => metadata.name)).toEqual(['demo-two-gen', 'demo-two-generate-a1']);
  });

  it('starts the second stage from the f32 master weights of the first', () => {
    const plan = decide({ jobs: [fetch, generate, train, verify], spec: { stages } }).plan;
    expect(plan.apply[0]).toMatchObject({ spec: { model: { uri: 'pvc://longpo/demo/one/master' } } });
  });

  it('counts restarts and keeps the last failure while a Job goes on', () => {
    const failure = failedWith(1).lastFailure;
    const failures = ['11:31:00', '11:41:00'].map((time) => crash(`2026-11-24T${time}Z`));
    const status = statusOf({
      jobs: [fetch, generate, makeJob('train', 'one', { ...running, failures, lastFailure: failure })],
    });
    expect(status.stages).toEqual([
      {
        name: 'one',
        state: 'Training',
        attempt: 1,
        restarts: 2,
        jobName: 'demo-one-train-a1',
        startedAt: '2026-11-24T10:00:00Z',
        usage: { activeSince: '2026-11-24T11:30:00Z', activeSeconds: 3600, gpuSeconds: 0 },
        lastFailure: failure,
        data: generated('one'),
      },
    ]);
  });

  it('decides the same whatever the status says: it is rebuilt from the children', () => {
    const scene: Scene = { jobs: [fetch, generate, train], spec: { stages } };
    const lost = decide(scene).plan;
    const wrong = decideTraining(
      makeTraining({ ...scene, status: { state: 'Succeeded', currentStage: 'two', url: 'http://x/v1' } }),
      settings,
      now,
    );
    expect(wrong).toEqual(lost);
  });

  it('dates a failure that outlasts a retry anew, once', () => {
    const scene: Scene = {
      jobs: [fetch],
      spec: { stages: [{ name: 'one', contextLength: 1024, parallelism: { sequence: 12 } }] },
      annotations: { 'longpo.dev/retried-at': '2026-11-24T12:30:00Z' },
    };
    const failedAt = (status: LongPOTrainingStatus, hour: string) => {
      const plan = decideTraining(
        makeTraining({ ...scene, status }),
        settings,
        new Date(`2026-11-24T${hour}Z`),
      );
      return plan.status as LongPOTrainingStatus;
    };
    const first = statusOf(scene);
    const early = failedAt(first, '12:10:00');
    const retried = failedAt(early, '13:00:00');
    const later = failedAt(retried, '14:00:00');
    const times = [first, early, retried, later].map(({ conditions }) => conditions?.[0]?.lastTransitionTime);
    expect(times.map((time) => time?.slice(11, 16))).toEqual(['12:00', '12:00', '13:00', '13:00']);
  });

  it('keeps the transition time of a condition that stays', () => {
    const first = statusOf({});
    const later = decideTraining(
      makeTraining({ status: first, jobs: [makeJob('fetch', '', running)] }),
      settings,
      new Date('2026-11-24T13:00:00Z'),
    ).status as LongPOTrainingStatus;
    const times = (status: LongPOTrainingStatus) =>
      status.conditions?.filter(({ type }) => type !== 'PodsReady' && type !== 'Progressing');
    expect(times(later)).toEqual(times(first));
  });
});
