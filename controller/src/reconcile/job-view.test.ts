import { apiVersion, completionIndexAnnotation, jobNameLabel, labels } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { digestOf, fetched, trained } from '../fixture/results.ts';
import type { JobResource } from '../objects/role-job.ts';
import { type JobView, type PodResource, parseTerminationMessage, viewJob } from './job-view.ts';

const jobName = 'demo-one-train-a1';

function makeJob(ended?: 'Complete' | 'Failed'): JobResource {
  const condition = { status: 'True', lastTransitionTime: '2026-11-24T11:00:00Z' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName,
      namespace: 'research',
      labels: {
        [labels.training]: 'demo',
        [labels.stage]: 'one',
        [labels.role]: 'train',
        [labels.attempt]: '1',
      },
    },
    // A real Job gets SuccessCriteriaMet or FailureTarget first; they end nothing yet.
    status: {
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
  job?: string;
}

let made = 0;
function makePod(scene: PodScene): PodResource {
  const {
    index = 0,
    exitCode,
    message,
    finishedAt = '2026-11-24T10:00:00Z',
    disrupted,
    job = jobName,
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
      annotations: { [completionIndexAnnotation]: String(index) },
    },
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
      makePod({ job: 'demo-two-train-a1', exitCode: 70 }),
    ];
    expect(viewJob(makeJob('Complete'), pods)).toEqual<JobView>({
      name: jobName,
      role: 'train',
      stage: 'one',
      attempt: 1,
      state: 'Complete',
      countedFailures: 0,
      finishedAt: '2026-11-24T11:00:00Z',
      result,
      lastFailure: undefined,
    });
  });

  it('takes a Job for running until its terminal condition is there', () => {
    expect(viewJob(makeJob(), [makePod({})])).toMatchObject({ state: 'Running', finishedAt: undefined });
  });

  it('takes a Job of no labels for the first attempt of no role', () => {
    const job = makeJob('Failed');
    const bare: JobResource = { ...job, metadata: { name: jobName, namespace: 'research' } };
    expect(viewJob(bare, [])).toMatchObject({ role: '', stage: '', attempt: 1, state: 'Failed' });
  });

  it.each<[name: string, pods: PodScene[], counted: number]>([
    ['nothing failed -> 0', [{}, { exitCode: 0 }], 0],
    ['a crash counts', [{ exitCode: 1 }], 1],
    ['exit 75 asks to be started again and does not count', [{ exitCode: 75 }, { exitCode: 1 }], 1],
    ['a preempted pod does not count', [{ exitCode: 143, disrupted: true }, { exitCode: 137 }], 1],
    ['a lost node leaves no exit code and does not count', [{ disrupted: true, exitCode: 137 }], 0],
  ])('counts failures: %s', (_, pods, counted) => {
    expect(viewJob(makeJob(), pods.map(makePod)).countedFailures).toBe(counted);
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
    });
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
