import { apiVersion, type LongPOServing, type LongPOServingStatus, longpoServing } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { now, settings } from '../../fixture/training.ts';
import type { DeploymentResource } from '../../objects/serving.ts';
import type { PodResource } from '../job-view.ts';
import { decideServing } from './decide.ts';

const owner = { apiVersion, kind: 'LongPOServing', name: 'demo', namespace: 'research', uid: 'uid-demo' };

const makeServing = (spec: object = {}): LongPOServing =>
  longpoServing.parse({
    apiVersion,
    kind: 'LongPOServing',
    metadata: { name: 'demo', namespace: 'research' },
    spec: { model: { uri: 'pvc://longpo/demo/one/checkpoint' }, ...spec },
  });

const makeDeployment = (readyReplicas: number, observedGeneration = 2): DeploymentResource => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'demo', namespace: 'research', generation: 2 },
  status: { observedGeneration, replicas: 1, readyReplicas },
});

/** A pod whose container has ended once and is about to be started again. */
function makePod(exitCode: number, message?: string): PodResource {
  const terminated = { exitCode, ...(message && { message }) };
  const container = { name: 'serve', image: '', imageID: '', ready: false, restartCount: 1 };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'demo-abc', namespace: 'research' },
    status: {
      containerStatuses: [
        { ...container, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated } },
      ],
    },
  };
}

const decide = (scene: { spec?: object; deployment?: DeploymentResource; pods?: PodResource[] }) =>
  decideServing(
    {
      serving: makeServing(scene.spec),
      owner,
      generation: 3,
      deployment: scene.deployment,
      pods: scene.pods ?? [],
    },
    settings,
    now,
  );

const tooLarge = JSON.stringify({ error: { code: 'CONTEXT_TOO_LONG', message: 'use at most 8192' } });

describe('decideServing', () => {
  it.each<[name: string, scene: Parameters<typeof decide>[0], ready: [string, string, string]]>([
    ['nothing there yet -> Starting', {}, ['False', 'Starting', '0 of 1 replicas answer']],
    [
      'pod not ready -> Starting',
      { deployment: makeDeployment(0) },
      ['False', 'Starting', '0 of 1 replicas answer'],
    ],
    [
      'pod ready -> Available',
      { deployment: makeDeployment(1) },
      ['True', 'Available', '1 of 1 replicas answer'],
    ],
    [
      'pod of the spec before is ready -> Starting',
      { deployment: makeDeployment(1, 1) },
      ['False', 'Starting', '0 of 1 replicas answer'],
    ],
    [
      'scaled to none -> nothing answers',
      { spec: { replicas: 0 }, deployment: makeDeployment(0) },
      ['False', 'Starting', '0 of 0 replicas answer'],
    ],
    [
      'config that a restart cannot mend -> Unavailable with what the server said',
      { deployment: makeDeployment(0), pods: [makePod(2, tooLarge)] },
      ['False', 'Unavailable', '[CONTEXT_TOO_LONG] use at most 8192'],
    ],
    [
      'config error without a word -> Unavailable with the exit code',
      { deployment: makeDeployment(0), pods: [makePod(3)] },
      ['False', 'Unavailable', 'the server ended with exit code 3'],
    ],
    [
      'a crash is started again -> Starting',
      { deployment: makeDeployment(0), pods: [makePod(139)] },
      ['False', 'Starting', '0 of 1 replicas answer'],
    ],
    [
      'answers again after a config error -> Available',
      { deployment: makeDeployment(1), pods: [makePod(2, tooLarge)] },
      ['True', 'Available', '1 of 1 replicas answer'],
    ],
  ])('%s', (_, scene, [status, reason, message]) => {
    const { conditions } = decide(scene).status as LongPOServingStatus;
    expect(conditions).toEqual([
      {
        type: 'Ready',
        status,
        reason,
        message,
        observedGeneration: 3,
        lastTransitionTime: now.toISOString(),
      },
    ]);
  });

  it('wants a Deployment with three probes and a Service, both owned by it', () => {
    const labels = {
      'app.kubernetes.io/managed-by': 'longpo-controller',
      'longpo.dev/serving': 'demo',
      'longpo.dev/role': 'serve',
    };
    const metadata = {
      name: 'demo',
      namespace: 'research',
      labels,
      annotations: { 'longpo.dev/desired-hash': expect.stringMatching(/^[0-9a-f]{16}$/) },
      ownerReferences: [
        {
          apiVersion,
          kind: 'LongPOServing',
          name: 'demo',
          uid: 'uid-demo',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    };
    const config = {
      model: 'demo/one/checkpoint',
      servedModelName: 'demo',
      quantization: 'int4',
      maxModelLen: 8192,
      ropeTheta: null,
      cache: 'cache',
      parallelSequences: 2,
    };
    const get = (path: string) => ({ httpGet: { path, port: 8000 } });
    expect(decide({ spec: { maxModelLen: 8192 } }).apply).toEqual([
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: {
          replicas: 1,
          selector: { matchLabels: { 'longpo.dev/serving': 'demo' } },
          strategy: { type: 'Recreate' },
          template: {
            metadata: { labels },
            spec: {
              restartPolicy: 'Always',
              terminationGracePeriodSeconds: 30,
              automountServiceAccountToken: false,
              containers: [
                {
                  name: 'serve',
                  image: 'longpo:test',
                  command: ['longpo-serve'],
                  env: [
                    { name: 'LONGPO_VOLUME_ROOT', value: '/longpo' },
                    { name: 'LONGPO_CONFIG', value: JSON.stringify(config) },
                    { name: 'LONGPO_TERMINATION_LOG', value: '/dev/termination-log' },
                    { name: 'LONGPO_LISTEN', value: '0.0.0.0:8000' },
                  ],
                  volumeMounts: [
                    { name: 'longpo', mountPath: '/longpo' },
                    { name: 'shm', mountPath: '/dev/shm' },
                  ],
                  terminationMessagePath: '/dev/termination-log',
                  ports: [{ name: 'http', containerPort: 8000 }],
                  startupProbe: { ...get('/healthz'), periodSeconds: 2, failureThreshold: 300 },
                  readinessProbe: { ...get('/readyz'), periodSeconds: 2 },
                  livenessProbe: {
                    ...get('/healthz'),
                    periodSeconds: 10,
                    timeoutSeconds: 5,
                    failureThreshold: 6,
                  },
                },
              ],
              volumes: [
                { name: 'longpo', persistentVolumeClaim: { claimName: 'longpo' } },
                { name: 'shm', emptyDir: { medium: 'Memory' } },
              ],
            },
          },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: {
          selector: { 'longpo.dev/serving': 'demo' },
          ports: [{ name: 'http', port: 8000, targetPort: 8000 }],
        },
      },
    ]);
  });
});
