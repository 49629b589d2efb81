import { apiVersion, completionIndexAnnotation, jobNameLabel, labels } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { digestOf, fetched, trained } from '../fixture/results.ts';
import type { JobResource } from '../objects/role-job.ts';
import { type JobView, type PodResource, parseTerminationMessage, strayPods, viewJob } from './job-view.ts';

const jobName = 'demo-one-train-a1';

function makeJob(ended?: 'Complete' | 'Failed'): JobResource {
  const condition = { status: 'True', lastTransitionTime: '2026-11-24T11:00:00Z' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName,
      namespace: 'research',
      uid: 'uid-of-job',
      resourceVersion: '12',
      creationTimestamp: '2026-11-24T09:00:00Z',
      annotations: {
        'longpo.dev/active-seconds': '90',
        'longpo.dev/stalled-at': '2026-11-24T09:20:00Z,2026-11-24T09:40:00Z',
        'longpo.dev/ended': 'RestartsExhausted',
        'longpo.dev/shape': '2x1/1',
      },
      labels: {
        [labels.training]: 'demo',
        [labels.stage]: 'one',
        [labels.role]: 'train',
        [labels.attempt]: '1',
      },
    },
    spec: {
      completions: 2,
      template: {
        spec: {
          containers: [
            { name: 'train', image: 'x', resources: { limits: { 'nvidia.com/gpu': '8', memory: '64Gi' } } },
          ],
        },
      },
    },
    // A real Job gets SuccessCriteriaMet or FailureTarget first; they end nothing yet.
    status: {
      startTime: '2026-11-24T09:00:01Z',
      failed: 1,
      conditions: [
        { ...condition, type: ended === 'Failed' ? 'FailureTarget' : 'SuccessCriteriaMet' },
        ...(ended ? [{ ...condition, type: ended }] : []),
      ],
    },
  };
}

interface PodScene {
  index?: number;
  exitCode?: number;
  message?: string;
  finishedAt?: string;
  disrupted?: boolean;
  deleted?: boolean;
  job?: string;
  owner?: string;
}

let made = 0;
function makePod(scene: PodScene): PodResource {
  const {
    index = 0,
    exitCode,
    message,
    finishedAt = '2026-11-24T10:00:00Z',
    disrupted,
    deleted,
    job = jobName,
    owner = 'uid-of-job',
  } = scene;
  const terminated =
    exitCode === undefined ? undefined : { exitCode, finishedAt, ...(message && { message }) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${job}-${index}-${exitCode ?? 'running'}${disrupted ? '-disrupted' : ''}-${made++}`,
      namespace: 'research',
      labels: { [jobNameLabel]: job },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: job, uid: owner }],
      annotations: { [completionIndexAnnotation]: String(index) },
      ...(deleted && { deletionTimestamp: finishedAt }),
    },
    spec: { nodeName: 'node-1', containers: [] },
    status: {
      phase: exitCode === undefined ? 'Running' : exitCode === 0 ? 'Succeeded' : 'Failed',
      ...(terminated && {
        containerStatuses: [
          { name: 'train', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } },
        ],
      }),
      ...(disrupted && { conditions: [{ type: 'DisruptionTarget', status: 'True' }] }),
    },
  };
}

const error = (code: string) => JSON.stringify({ error: { code, message: `${code} happened` } });

describe('viewJob', () => {
  it('reads what a complete Job is and what its first pod left behind', () => {
    const result = { train: trained('one') };
    const pods = [
      makePod({ index: 1, exitCode: 0, message: JSON.stringify({ fetch: fetched }) }),
      makePod({ index: 0, exitCode: 0, message: JSON.stringify(result) }),
      makePod({ owner: 'uid-of-a-job-before', exitCode: 70 }),
    ];
    expect(viewJob(makeJob('Complete'), pods)).toEqual<JobView>({
      name: jobName,
      uid: 'uid-of-job',
      resourceVersion: '12',
      role: 'train',
      stage: 'one',
      attempt: 1,
      state: 'Complete',
      deleting: false,
      createdAt: '2026-11-24T09:00:00Z',
      startedAt: '2026-11-24T09:00:01Z',
      finishedAt: '2026-11-24T11:00:00Z',
      suspend: false,
      isSuspended: false,
      pods: 2,
      gpusPerPod: 8,
      activePods: [],
      succeededPods: 2,
      failed: 1,
      failures: [],
      activeSecondsBefore: 90,
      stalledAt: ['2026-11-24T09:20:00Z', '2026-11-24T09:40:00Z'],
      ended: 'RestartsExhausted',
      shape: '2x1/1',
      result,
      lastFailure: undefined,
    });
  });

  it('takes a Job for running until its terminal condition is there', () => {
    expect(viewJob(makeJob(), [makePod({})])).toMatchObject({ state: 'Running', finishedAt: undefined });
  });

  it('takes a Job of no labels for the first attempt of no role', () => {
    const job = makeJob('Failed');
    const bare: JobResource = {
      ...job,
      metadata: { name: jobName, namespace: 'research', uid: 'uid-of-job' },
    };
    expect(viewJob(bare, [])).toMatchObject({ role: '', stage: '', attempt: 1, state: 'Failed' });
  });

  it.each<[name: string, pods: PodScene[], counted: number]>([
    ['nothing failed -> 0', [{}, { exitCode: 0 }], 0],
    ['a crash counts', [{ exitCode: 1 }], 1],
    ['exit 75 asks to be started again and does not count', [{ exitCode: 75 }, { exitCode: 1 }], 1],
    ['a preempted pod does not count', [{ exitCode: 143, disrupted: true }, { exitCode: 137 }], 1],
    ['a pod that somebody deleted does not count', [{ exitCode: 143, deleted: true }], 0],
    ['a lost node leaves no exit code and does not count', [{ disrupted: true, exitCode: 137 }], 0],
  ])('counts failures: %s', (_, pods, counted) => {
    const { failures } = viewJob(makeJob(), pods.map(makePod));
    expect(failures.filter(({ counts }) => counts).length).toBe(counted);
  });

  it.each<[name: string, pods: PodScene[], code: string, exitCode: number]>([
    [
      'the newest of two crashes',
      [
        { exitCode: 1, message: error('NEWER'), finishedAt: '2026-11-24T10:05:00Z' },
        { exitCode: 1, message: error('OLDER'), finishedAt: '2026-11-24T10:01:00Z' },
      ],
      'NEWER',
      1,
    ],
    [
      'the one that ended the Job, not the ranks that were stopped because of it',
      [
        { index: 1, exitCode: 70, message: error('LOSS_NOT_FINITE'), finishedAt: '2026-11-24T10:01:00Z' },
        { index: 0, exitCode: 75, finishedAt: '2026-11-24T10:02:00Z' },
        { index: 2, exitCode: 143, finishedAt: '2026-11-24T10:03:00Z' },
      ],
      'LOSS_NOT_FINITE',
      70,
    ],
    [
      'the crash, not the ranks that lost it and ended first',
      [
        { index: 1, exitCode: 75, message: error('PEER_LOST'), finishedAt: '2026-11-24T10:01:00Z' },
        { index: 0, exitCode: 1, message: error('CRASHED'), finishedAt: '2026-11-24T10:01:01Z' },
      ],
      'CRASHED',
      1,
    ],
    [
      'a crash that counts before a preemption that does not',
      [
        { exitCode: 1, message: error('CRASHED'), finishedAt: '2026-11-24T10:01:00Z' },
        { exitCode: 143, disrupted: true, finishedAt: '2026-11-24T10:02:00Z' },
      ],
      'CRASHED',
      1,
    ],
    ['a preemption when there is nothing else', [{ exitCode: 143, disrupted: true }], 'Error', 143],
  ])('blames %s', (_, pods, code, exitCode) => {
    expect(viewJob(makeJob('Failed'), pods.map(makePod)).lastFailure).toMatchObject({ code, exitCode });
  });

  it('says what is known of a crash that left text instead of a result', () => {
    const pod = makePod({ exitCode: 137, message: 'Traceback (most recent call last): ...' });
    expect(viewJob(makeJob('Failed'), [pod])).toMatchObject({
      result: undefined,
      lastFailure: {
        pod: pod.metadata.name,
        exitCode: 137,
        code: 'Error',
        message: 'container ended with exit code 137',
        node: 'node-1',
        at: '2026-11-24T10:00:00Z',
      },
    });
  });

  it('says why a pod failed that never started', () => {
    const pod = makePod({});
    const evicted = {
      ...pod,
      status: { phase: 'Failed', reason: 'Evicted', message: 'node was low on memory' },
    };
    expect(viewJob(makeJob('Failed'), [evicted]).lastFailure).toEqual({
      pod: pod.metadata.name,
      exitCode: -1,
      code: 'Evicted',
      message: 'node was low on memory',
      node: 'node-1',
    });
  });

  it('sees pods that have not ended, and since when they run', () => {
    const pod = makePod({ index: 1 });
    const started: PodResource = {
      ...pod,
      metadata: { ...pod.metadata, name: 'second', uid: 'u2', creationTimestamp: '2026-11-24T09:00:02Z' },
      status: {
        phase: 'Running',
        containerStatuses: [
          {
            name: 'train',
            image: '',
            imageID: '',
            ready: true,
            restartCount: 0,
            state: { running: { startedAt: '2026-11-24T09:00:05Z' } },
          },
        ],
      },
    };
    expect(viewJob(makeJob(), [started]).activePods).toEqual([
      {
        name: 'second',
        uid: 'u2',
        createdAt: '2026-11-24T09:00:02Z',
        startedAt: '2026-11-24T09:00:05Z',
        deleting: false,
      },
    ]);
  });
});

describe('strayPods', () => {
  const ofOurs = {
    [labels.managedBy]: 'longpo-controller',
    [labels.training]: 'demo',
    [labels.stage]: 'one',
    [labels.role]: 'train',
    [labels.attempt]: '1',
    [jobNameLabel]: jobName,
  };
  const ownedBy = (uid: string) => [{ apiVersion: 'batch/v1', kind: 'Job', name: jobName, uid }];
  const { [labels.managedBy]: _, ...unmanaged } = ofOurs;

  it.each<[name: string, change: object, isStray: boolean]>([
    ['of a Job that is gone', { ownerReferences: ownedBy('uid-of-a-job-before') }, true],
    ['that was left behind by its Job', { ownerReferences: [] }, true],
    ['of a Job that is there', { ownerReferences: ownedBy('uid-of-job') }, false],
    ["that somebody gave the training's label", { labels: { [labels.training]: 'demo' } }, false],
    ['of no Job', { labels: { ...ofOurs, [jobNameLabel]: undefined } }, false],
    ["of somebody's Job", { labels: { ...ofOurs, [jobNameLabel]: 'demo-report' } }, false],
    ['whose end no watch would tell', { labels: unmanaged }, false],
  ])('a pod %s', (_, change, isStray) => {
    const pod = makePod({ owner: 'uid-of-another' });
    const metadata = { ...pod.metadata, labels: ofOurs, ...change };
    expect(strayPods('demo', [makeJob()], [{ ...pod, metadata }])).toEqual(isStray ? [metadata.name] : []);
  });

  it('are none once they have ended', () => {
    const pod = makePod({ owner: 'uid-of-another', exitCode: 1 });
    const metadata = { ...pod.metadata, labels: ofOurs };
    expect(strayPods('demo', [makeJob()], [{ ...pod, metadata }])).toEqual([]);
  });
});

describe('parseTerminationMessage', () => {
  it.each<[name: string, message: string | undefined]>([
    ['nothing', undefined],
    ['an empty text', ''],
    ['text', 'Killed'],
    ['half a JSON', '{"train":{"steps":3'],
    ['JSON of another shape', '{"model":"smollm2"}'],
    ['a digest that is none', JSON.stringify({ fetch: { ...fetched, digest: 'sha256:abc' } })],
    ['an object of another version', JSON.stringify({ apiVersion, fetch: fetched })],
  ])('takes %s for no result', (_, message) => {
    expect(parseTerminationMessage(message)).toBeUndefined();
  });

  it('reads a result', () => {
    const verify = { checkpoint: 'demo/one/checkpoint', digest: digestOf('d'), step: 3, bytes: 9 };
    expect(parseTerminationMessage(JSON.stringify({ verify }))).toEqual({ verify });
  });
});
