import { describe, expect, it } from 'vitest';
import { restrictedContainer, restrictedPod } from '../fixture/restricted.ts';
import { makeServing, servingOwner } from '../fixture/serving.ts';
import { buildServingDeployment, buildServingService } from './serving.ts';
import { buildDisruptionBudget, buildNetworkPolicy } from './serving-guards.ts';

const images = { serve: 'registry.example/longpo-server:1', vllm: 'vllm/vllm-openai:v0.22.0' };

const labels = {
  'app.kubernetes.io/managed-by': 'longpo-controller',
  'longpo.dev/serving': 'demo',
  'longpo.dev/role': 'serve',
};
const annotations = { 'longpo.dev/desired-hash': expect.stringMatching(/^[0-9a-f]{16}$/) };
const metadata = {
  name: 'demo',
  namespace: 'research',
  labels,
  annotations,
  ownerReferences: [
    {
      apiVersion: 'longpo.dev/v1alpha1',
      kind: 'LongPOServing',
      name: 'demo',
      uid: 'uid-demo',
      controller: true,
      blockOwnerDeletion: true,
    },
  ],
};
const selector = { 'longpo.dev/serving': 'demo' };

/** What is the same in the pods of both engines. */
const pod = {
  restartPolicy: 'Always',
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  shareProcessNamespace: true,
  securityContext: restrictedPod,
};
const container = {
  name: 'serve',
  securityContext: restrictedContainer,
  volumeMounts: [
    { name: 'longpo', mountPath: '/longpo' },
    { name: 'shm', mountPath: '/dev/shm' },
    { name: 'tmp', mountPath: '/tmp' },
  ],
  terminationMessagePath: '/dev/termination-log',
  ports: [{ name: 'http', containerPort: 8000 }],
};
const get = (path: string) => ({ httpGet: { path, port: 8000 } });

const deploymentOf = (spec: object) => buildServingDeployment(makeServing(spec), servingOwner, images);
const containerOf = (spec: object) => deploymentOf(spec).spec?.template.spec?.containers[0];

describe('the objects of a serving', () => {
  it('onnxruntime: a Deployment of our server', () => {
    const config = {
      model: 'demo/one/checkpoint',
      servedModelName: 'demo',
      quantization: 'int4',
      maxModelLen: 8192,
      ropeTheta: null,
      cache: 'cache',
      parallelSequences: 2,
    };
    expect(deploymentOf({ maxModelLen: 8192 })).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        progressDeadlineSeconds: 900,
        template: {
          metadata: { labels, annotations },
          spec: {
            ...pod,
            terminationGracePeriodSeconds: 30,
            containers: [
              {
                ...container,
                image: 'registry.example/longpo-server:1',
                command: ['longpo-serve'],
                env: [
                  { name: 'LONGPO_VOLUME_ROOT', value: '/longpo' },
                  { name: 'LONGPO_CONFIG', value: JSON.stringify(config) },
                  { name: 'LONGPO_TERMINATION_LOG', value: '/dev/termination-log' },
                  { name: 'LONGPO_LISTEN', value: '0.0.0.0:8000' },
                  { name: 'HOME', value: '/tmp' },
                  { name: 'USER', value: 'longpo' },
                ],
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
              { name: 'tmp', emptyDir: {} },
            ],
          },
        },
      },
    });
  });

  it("vllm: a Deployment of vLLM's own server, with a GPU for each tensor-parallel rank", () => {
    const spec = {
      engine: 'vllm',
      replicas: 3,
      storage: { claimName: 'research' },
      model: { uri: 'pvc://research/mistral/512k/checkpoint' },
      tensorParallelSize: 8,
      maxModelLen: 524_288,
      ropeTheta: 1e7,
      parallelSequences: 4,
      podTemplate: { nodeSelector: { gpu: 'h100' }, sharedMemory: '64Gi' },
      resources: { requests: { memory: '200Gi' } },
    };
    expect(deploymentOf(spec)).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 3,
        selector: { matchLabels: selector },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        progressDeadlineSeconds: 4200,
        template: {
          metadata: { labels, annotations },
          spec: {
            ...pod,
            nodeSelector: { gpu: 'h100' },
            terminationGracePeriodSeconds: 60,
            containers: [
              {
                ...container,
                image: 'vllm/vllm-openai:v0.22.0',
                command: [
                  'vllm',
                  'serve',
                  '/longpo/mistral/512k/checkpoint',
                  '--served-model-name',
                  'demo',
                  '--host',
                  '0.0.0.0',
                  '--port',
                  '8000',
                  '--max-model-len',
                  '524288',
                  '--tensor-parallel-size',
                  '8',
                  '--max-num-seqs',
                  '4',
                  '--hf-overrides',
                  '{"rope_theta":10000000,"rope_parameters":{"rope_type":"default","rope_theta":10000000},"max_position_embeddings":524288}',
                ],
                env: [
                  { name: 'HOME', value: '/tmp' },
                  { name: 'USER', value: 'longpo' },
                  { name: 'HF_HUB_OFFLINE', value: '1' },
                  { name: 'VLLM_NO_USAGE_STATS', value: '1' },
                ],
                resources: { requests: { memory: '200Gi' }, limits: { 'nvidia.com/gpu': '8' } },
                startupProbe: {
                  ...get('/health'),
                  timeoutSeconds: 5,
                  periodSeconds: 10,
                  failureThreshold: 360,
                },
                readinessProbe: { ...get('/health'), timeoutSeconds: 5, periodSeconds: 5 },
                livenessProbe: {
                  ...get('/health'),
                  timeoutSeconds: 5,
                  periodSeconds: 10,
                  failureThreshold: 6,
                },
                terminationMessagePolicy: 'FallbackToLogsOnError',
              },
            ],
            volumes: [
              { name: 'longpo', persistentVolumeClaim: { claimName: 'research' } },
              { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '64Gi' } },
              { name: 'tmp', emptyDir: {} },
            ],
          },
        },
      },
    });
  });

  it('vllm: sets no flag that the spec leaves to vLLM, and takes a path of the pod as it is', () => {
    const { command, resources } =
      containerOf({ engine: 'vllm', model: { uri: '/models/a $(HOME) b' } }) ?? {};
    expect({ command, resources }).toEqual({
      command: [
        'vllm',
        'serve',
        '/models/a $$(HOME) b',
        '--served-model-name',
        'demo',
        '--host',
        '0.0.0.0',
        '--port',
        '8000',
        '--tensor-parallel-size',
        '1',
        '--max-num-seqs',
        '2',
      ],
      resources: { limits: { 'nvidia.com/gpu': '1' } },
    });
  });

  it.each(['nvidia.com/gpu', 'amd.com/gpu', 'nvidia.com/mig-3g.40gb'])(
    'vllm: leaves the GPUs to the spec when it asks for %s',
    (gpu) => {
      const resources = { limits: { [gpu]: '2' } };
      expect(containerOf({ engine: 'vllm', tensorParallelSize: 2, resources })?.resources).toEqual(resources);
    },
  );

  it('a Service, a disruption budget and a network policy have the name of the serving', () => {
    expect([
      buildServingService(servingOwner),
      buildDisruptionBudget(servingOwner),
      buildNetworkPolicy(servingOwner),
    ]).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { selector, ports: [{ name: 'http', port: 8000, targetPort: 8000 }] },
      },
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata,
        spec: {
          maxUnavailable: 1,
          selector: { matchLabels: selector },
          unhealthyPodEvictionPolicy: 'AlwaysAllow',
        },
      },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata,
        spec: {
          podSelector: { matchLabels: selector },
          policyTypes: ['Ingress', 'Egress'],
          ingress: [
            {
              from: [
                { podSelector: {} },
                { namespaceSelector: { matchLabels: { 'longpo.dev/serving-access': 'true' } } },
              ],
              ports: [{ protocol: 'TCP', port: 8000 }],
            },
          ],
          egress: [],
        },
      },
    ]);
  });
});
