import { fetchConfig, generateConfig, type Job, trainConfig, verifyConfig } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../cluster.ts';
import { restrictedContainer, restrictedPod } from '../../fixture/restricted.ts';
import { digestOf, trained } from '../../fixture/results.ts';
import { makeTraining, type Scene, settings } from '../../fixture/training.ts';
import { fetchJob, generateJob, type JobContext, trainJob, verifyJob } from './stage-jobs.ts';

const contextOf = (scene: Scene = {}): JobContext => ({ ...makeTraining(scene), settings });
const start = { model: '/models/smollm2', digest: digestOf('a') };
const reportUrl =
  'http://longpo-controller:8080/apis/longpo.dev/v1alpha1/namespaces/research/longpotrainings/demo/progress';
const hash = expect.stringMatching(/^[0-9a-f]{16}$/);

function envOf(object: Resource | undefined): Record<string, string> {
  const env = (object as Job).spec?.template.spec?.containers[0]?.env ?? [];
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? '']));
}

const configOf = (object: Resource | undefined): unknown => JSON.parse(envOf(object).LONGPO_CONFIG ?? '');

const owner = {
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  name: 'demo',
  uid: 'uid-demo',
  controller: true,
  blockOwnerDeletion: true,
};

/** The Job that every role gets, around what differs. */
function expectedJob(
  name: string,
  role: string,
  stage: string,
  pods: number,
  env: object,
  config: object,
  annotations: object = {},
): object {
  const labels = {
    'app.kubernetes.io/managed-by': 'longpo-controller',
    'longpo.dev/training': 'demo',
    'longpo.dev/role': role,
    'longpo.dev/attempt': '1',
    ...(stage !== '' && { 'longpo.dev/stage': stage }),
  };
  const values = {
    LONGPO_VOLUME_ROOT: '/longpo',
    LONGPO_CONFIG: JSON.stringify(config),
    LONGPO_TERMINATION_LOG: '/dev/termination-log',
    LONGPO_REPORT_URL: reportUrl,
    LONGPO_TOKEN_FILE: '/var/run/secrets/longpo.dev/token',
    ...env,
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'research',
      labels,
      annotations: { 'longpo.dev/desired-hash': hash, ...annotations },
      ownerReferences: [owner],
    },
    spec: {
      completionMode: 'Indexed',
      completions: pods,
      parallelism: pods,
      backoffLimitPerIndex: 1_000_000,
      maxFailedIndexes: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'Ignore', onExitCodes: { operator: 'In', values: [75] } },
          { action: 'FailJob', onExitCodes: { operator: 'In', values: [2, 3, 4, 70] } },
        ],
      },
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 120,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          shareProcessNamespace: true,
          securityContext: restrictedPod,
          ...(pods > 1 && { subdomain: name }),
          containers: [
            {
              name: role,
              image: 'longpo:test',
              command: [`longpo-${role}`],
              env: Object.entries({ ...values, HOME: '/tmp', USER: 'longpo' }).map(([key, value]) => ({
                name: key,
                value,
              })),
              securityContext: restrictedContainer,
              volumeMounts: [
                { name: 'longpo', mountPath: '/longpo' },
                { name: 'shm', mountPath: '/dev/shm' },
                { name: 'tmp', mountPath: '/tmp' },
                { name: 'token', mountPath: '/var/run/secrets/longpo.dev', readOnly: true },
              ],
              terminationMessagePath: '/dev/termination-log',
            },
          ],
          volumes: [
            { name: 'longpo', persistentVolumeClaim: { claimName: 'longpo' } },
            { name: 'shm', emptyDir: { medium: 'Memory' } },
            { name: 'tmp', emptyDir: {} },
            {
              name: 'token',
              projected: {
                sources: [
                  {
                    serviceAccountToken: {
                      path: 'token',
                      audience: 'longpo.dev/report',
                      expirationSeconds: 3600,
                    },
                  },
                ],
              },
            },
          ],
        },
      },
    },
  };
}

describe('the Jobs of a training', () => {
  it('fetch: one pod that reads where the model is', () => {
    const config = { training: 'demo', uri: '/models/smollm2', destination: '/models/smollm2' };
    expect(fetchJob(contextOf(), 1)).toEqual(expectedJob('demo-fetch-a1', 'fetch', '', 1, {}, config));
    expect(fetchConfig.parse(config)).toEqual(config);
  });

  it('train: three pods that meet at the first, and the headless Service that names them', () => {
    const parallelism = { sequence: 3, processesPerPod: 1 };
    const context = contextOf({
      spec: { stages: [{ name: 'one', contextLength: 1024, ropeTheta: 1e6, parallelism }] },
    });
    const [stage] = context.training.spec.stages;
    const [service, job] = stage ? trainJob(context, stage, 1, start, 'demo/one/data/rows.jsonl') : [];
    const config = {
      training: 'demo',
      stage: 'one',
      attempt: 1,
      model: '/models/smollm2',
      modelDigest: digestOf('a'),
      rows: 'demo/one/data/rows.jsonl',
      evalRows: null,
      directory: 'demo/one',
      contextLength: 1024,
      ropeTheta: 1e6,
      sequenceParallel: 3,
      dataParallel: 1,
      pods: 3,
      processesPerPod: 1,
      seed: 42,
      ...context.training.spec.train,
    };
    const name = 'demo-one-train-a1';
    const env = { LONGPO_COORDINATOR: `${name}-0.${name}.research.svc:29500` };
    const shape = { 'longpo.dev/shape': '3x1/1' };
    expect(job).toEqual(expectedJob(name, 'train', 'one', 3, env, config, shape));
    expect(trainConfig.parse(config)).toEqual(config);
    expect(service).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name,
        namespace: 'research',
        labels: job?.metadata.labels,
        annotations: { 'longpo.dev/desired-hash': hash },
        ownerReferences: [owner],
      },
      spec: {
        clusterIP: 'None',
        publishNotReadyAddresses: true,
        selector: { 'batch.kubernetes.io/job-name': name },
        ports: [{ name: 'rendezvous', port: 29_500 }],
      },
    });
  });

  it("train in one pod: no coordinator, no Service, the model's own theta", () => {
    const context = contextOf();
    const [stage] = context.training.spec.stages;
    const made = stage ? trainJob(context, stage, 1, start, '/rows.jsonl') : [];
    expect(made.map(({ kind }) => kind)).toEqual(['Job']);
    expect(Object.keys(envOf(made[0]))).not.toContain('LONGPO_COORDINATOR');
    expect(configOf(made[0])).toMatchObject({ ropeTheta: null, pods: 1, rows: '/rows.jsonl' });
  });

  it('generate: asks the server of the stage, or the one that the user named', () => {
    const own = contextOf();
    const named = contextOf({
      spec: { generate: { endpoint: { url: 'http://vllm:8000/v1', model: 'mistral' } } },
    });
    const jobs = [own, named].map((context) => {
      const [stage] = context.training.spec.stages;
      return stage && generateJob(context, stage, 1, start, 'demo-one-gen');
    });
    expect(
      jobs.map((job) => ({ url: envOf(job).LONGPO_ENDPOINT, config: generateConfig.parse(configOf(job)) })),
    ).toMatchObject([
      { url: 'http://demo-one-gen.research.svc:8000/v1', config: { servedModelName: 'demo-one-gen' } },
      { url: 'http://vllm:8000/v1', config: { servedModelName: 'mistral', directory: 'demo/one/data' } },
    ]);
  });

  it('verify: re-hashes the checkpoint that the train Job reported', () => {
    const context = contextOf();
    const [stage] = context.training.spec.stages;
    const job = stage && verifyJob(context, stage, 1, trained('one'), undefined);
    const config = {
      training: 'demo',
      stage: 'one',
      attempt: 1,
      checkpoint: 'demo/one/checkpoint',
      digest: digestOf('d'),
      remove: [],
    };
    expect(verifyConfig.parse(configOf(job))).toEqual(config);
    expect(job).toEqual(expectedJob('demo-one-verify-a1', 'verify', 'one', 1, {}, config));
  });

  it('gives every pod what the platform asks for, and each role its resources', () => {
    const limits = { 'nvidia.com/gpu': '8' };
    const context = contextOf({
      spec: { podTemplate: { priorityClassName: 'research' }, resources: { train: { limits } } },
    });
    const [stage] = context.training.spec.stages;
    const jobs = stage ? [fetchJob(context, 1), ...trainJob(context, stage, 1, start, '/rows.jsonl')] : [];
    const seen = jobs.map((job) => {
      const pod = (job as Job).spec?.template.spec;
      return [pod?.priorityClassName, pod?.containers[0]?.resources];
    });
    expect(seen).toEqual([
      ['research', undefined],
      ['research', { limits }],
    ]);
  });

  it('verify: names what may go once the checkpoint is right, when only published ones are kept', () => {
    const context = contextOf({ spec: { checkpoints: { retain: 'Published' } } });
    const [stage] = context.training.spec.stages;
    const before = { name: 'zero', trained: trained('zero') };
    const job = stage && verifyJob(context, stage, 1, trained('one'), before);
    expect(configOf(job)).toMatchObject({
      remove: ['demo/zero/master', 'demo/zero/steps', 'demo/one/steps'],
    });
  });
});
