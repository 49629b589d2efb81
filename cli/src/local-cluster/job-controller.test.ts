import type { Job } from '@longpo/api';
import type { Resource } from '@longpo/controller';
import { describe, expect, it } from 'vitest';
import type { PodResource } from '../pod/index.ts';
import { buildPod, decideJob, type JobDecision } from './job-controller.ts';

const job: Job & Resource = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'train', namespace: 'default', uid: 'u1' },
  spec: {
    completions: 2,
    parallelism: 2,
    backoffLimitPerIndex: 1,
    podFailurePolicy: {
      rules: [
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        { action: 'Ignore', onExitCodes: { operator: 'In', values: [75] } },
        { action: 'FailJob', onExitCodes: { operator: 'In', values: [2, 3, 4, 70] } },
      ],
    },
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'train', image: 'local' }] } },
  },
};

const finishedAt = '2026-01-01T00:00:00.000Z';
const seconds = (n: number) => Date.parse(finishedAt) + n * 1000;

function pod(index: number, phase: string, exitCode = 0): PodResource {
  const terminated = { exitCode, finishedAt };
  return {
    ...buildPod(job, index, `${phase}${exitCode}`),
    status: {
      phase,
      ...(phase === 'Failed' || phase === 'Succeeded'
        ? {
            containerStatuses: [
              { name: 'train', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } },
            ],
          }
        : {}),
    },
  };
}

const lost: PodResource = {
  ...pod(0, 'Failed'),
  status: { phase: 'Failed', conditions: [{ type: 'DisruptionTarget', status: 'True' }] },
};

describe('decideJob', () => {
  const rows: [name: string, pods: PodResource[], expected: JobDecision][] = [
    [
      'starts every index',
      [],
      {
        create: [
          { index: 0, notBefore: 0 },
          { index: 1, notBefore: 0 },
        ],
      },
    ],
    ['leaves running pods alone', [pod(0, 'Running'), pod(1, 'Pending')], { create: [] }],
    [
      'replaces a failed pod after the back-off',
      [pod(0, 'Failed', 1), pod(1, 'Running')],
      { create: [{ index: 0, notBefore: seconds(10) }] },
    ],
    [
      'replaces a pod that asked to be started again at once, and does not count it',
      [pod(0, 'Failed', 75), pod(0, 'Failed', 75), pod(0, 'Failed', 75), pod(1, 'Running')],
      { create: [{ index: 0, notBefore: 0 }] },
    ],
    [
      'replaces a pod of a lost node, and does not count it',
      [lost, pod(1, 'Running')],
      { create: [{ index: 0, notBefore: 0 }] },
    ],
    [
      'fails when an index has failed more often than its limit',
      [pod(0, 'Failed', 1), pod(0, 'Failed', 1), pod(1, 'Running')],
      { create: [], ended: { type: 'Failed', reason: 'FailedIndexes', message: 'index 0 failed 2 times' } },
    ],
    [
      'fails at once on bad input',
      [pod(0, 'Failed', 2), pod(1, 'Running')],
      {
        create: [],
        ended: {
          type: 'Failed',
          reason: 'PodFailurePolicy',
          message: 'pod train-0-Failed2 ended with exit code 2',
        },
      },
    ],
    [
      'completes when every index has succeeded, whatever failed before',
      [pod(0, 'Failed', 1), pod(0, 'Succeeded'), pod(1, 'Succeeded')],
      { create: [], ended: { type: 'Complete', reason: 'CompletionsReached', message: '2 of 2' } },
    ],
  ];
  const backOff = (failures: number) => failures * 10_000;
  const now = seconds(60);
  const changed = (spec: Job['spec'] | object, startTime?: string): Job & Resource => ({
    ...job,
    spec: { ...job.spec, ...spec } as NonNullable<Job['spec']>,
    ...(startTime && { status: { startTime } }),
  });

  it.each<[name: string, job: Job & Resource, pods: PodResource[], expected: JobDecision]>([
    [
      'suspended, with a pod that runs -> no pod may run',
      changed({ suspend: true }),
      [pod(0, 'Running')],
      { create: [], suspended: true },
    ],
    [
      'suspended after its last pod has succeeded -> complete',
      changed({ suspend: true }),
      [pod(0, 'Succeeded'), pod(1, 'Succeeded')],
      { create: [], ended: { type: 'Complete', reason: 'CompletionsReached', message: '2 of 2' } },
    ],
    [
      'past its deadline -> failed',
      changed({ activeDeadlineSeconds: 1 }, finishedAt),
      [pod(0, 'Running'), pod(1, 'Running')],
      { create: [], ended: { type: 'Failed', reason: 'DeadlineExceeded', message: 'ran longer than 1 s' } },
    ],
    [
      'suspended for longer than its deadline -> only suspended',
      changed({ activeDeadlineSeconds: 1, suspend: true }, finishedAt),
      [],
      { create: [], suspended: true },
    ],
    ['of no parallelism -> makes no pod', changed({ parallelism: 0 }), [], { create: [] }],
  ])('%s', (_, changedJob, pods, expected) => {
    expect(decideJob(changedJob, pods, backOff, now)).toEqual(expected);
  });

  it.each(rows)('%s', (_, pods, expected) => {
    expect(decideJob(job, pods, backOff, now)).toEqual(expected);
  });
});
