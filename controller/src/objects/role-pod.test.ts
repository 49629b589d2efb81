import { describe, expect, it } from 'vitest';
import { restrictedContainer, restrictedPod } from '../fixture/restricted.ts';
import { buildRolePod, type RolePod } from './role-pod.ts';

const train: RolePod = {
  role: 'train',
  image: 'registry.example/longpo-trainer:1',
  claimName: 'research',
  config: { training: 'demo' },
  labels: { 'longpo.dev/role': 'train' },
  restartPolicy: 'Never',
  gracePeriodSeconds: 120,
};

const env = (pod: RolePod) => buildRolePod(pod).spec?.containers[0]?.env;

describe('buildRolePod', () => {
  it('builds a restricted pod without a token for a role that reports to nobody', () => {
    expect(buildRolePod(train)).toEqual({
      metadata: { labels: { 'longpo.dev/role': 'train' } },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 120,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        shareProcessNamespace: true,
        securityContext: restrictedPod,
        containers: [
          {
            name: 'train',
            image: 'registry.example/longpo-trainer:1',
            command: ['longpo-train'],
            env: [
              { name: 'LONGPO_VOLUME_ROOT', value: '/longpo' },
              { name: 'LONGPO_CONFIG', value: '{"training":"demo"}' },
              { name: 'LONGPO_TERMINATION_LOG', value: '/dev/termination-log' },
              { name: 'HOME', value: '/tmp' },
              { name: 'USER', value: 'longpo' },
            ],
            securityContext: restrictedContainer,
            volumeMounts: [
              { name: 'longpo', mountPath: '/longpo' },
              { name: 'shm', mountPath: '/dev/shm' },
              { name: 'tmp', mountPath: '/tmp' },
            ],
            terminationMessagePath: '/dev/termination-log',
          },
        ],
        volumes: [
          { name: 'longpo', persistentVolumeClaim: { claimName: 'research' } },
          { name: 'shm', emptyDir: { medium: 'Memory' } },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    });
  });

  it('adds all that the platform asks for, and the token of a role that reports', () => {
    const pod = buildRolePod({
      ...train,
      reportUrl: 'http://controller:8080/progress',
      env: { LONGPO_COORDINATOR: 'demo-0.demo.research.svc:29500' },
      resources: { requests: { cpu: '8' }, limits: { 'nvidia.com/gpu': '8', memory: '1Ti' } },
      template: {
        annotations: { 'k8s.example/networks': 'rdma' },
        nodeSelector: { gpu: 'h100' },
        tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', value: undefined, effect: 'NoSchedule' }],
        priorityClassName: 'research',
        runtimeClassName: 'nvidia',
        imagePullSecrets: [{ name: 'registry' }],
        env: [
          { name: 'NCCL_IB_HCA', value: 'mlx5' },
          { name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'hub', key: 'token' } } },
          { name: 'HF_ENDPOINT', valueFrom: { configMapKeyRef: { name: 'mirror', key: 'url' } } },
        ],
        sharedMemory: '64Gi',
        capabilities: ['IPC_LOCK'],
      },
    });
    expect(pod).toEqual({
      metadata: {
        labels: { 'longpo.dev/role': 'train' },
        annotations: { 'k8s.example/networks': 'rdma' },
      },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 120,
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        shareProcessNamespace: true,
        securityContext: restrictedPod,
        nodeSelector: { gpu: 'h100' },
        tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
        priorityClassName: 'research',
        runtimeClassName: 'nvidia',
        imagePullSecrets: [{ name: 'registry' }],
        containers: [
          {
            name: 'train',
            image: 'registry.example/longpo-trainer:1',
            command: ['longpo-train'],
            env: [
              { name: 'LONGPO_VOLUME_ROOT', value: '/longpo' },
              { name: 'LONGPO_CONFIG', value: '{"training":"demo"}' },
              { name: 'LONGPO_TERMINATION_LOG', value: '/dev/termination-log' },
              { name: 'LONGPO_REPORT_URL', value: 'http://controller:8080/progress' },
              { name: 'LONGPO_TOKEN_FILE', value: '/var/run/secrets/longpo.dev/token' },
              { name: 'LONGPO_COORDINATOR', value: 'demo-0.demo.research.svc:29500' },
              { name: 'HOME', value: '/tmp' },
              { name: 'USER', value: 'longpo' },
              { name: 'NCCL_IB_HCA', value: 'mlx5' },
              { name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'hub', key: 'token' } } },
              { name: 'HF_ENDPOINT', valueFrom: { configMapKeyRef: { name: 'mirror', key: 'url' } } },
            ],
            resources: { requests: { cpu: '8' }, limits: { 'nvidia.com/gpu': '8', memory: '1Ti' } },
            securityContext: {
              ...restrictedContainer,
              capabilities: { drop: ['ALL'], add: ['IPC_LOCK'] },
            },
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
          { name: 'longpo', persistentVolumeClaim: { claimName: 'research' } },
          { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '64Gi' } },
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
    });
  });

  it('takes nothing from the platform for a name of the contract, used by this pod or not', () => {
    const template = {
      env: [
        { name: 'LONGPO_CONFIG', value: '{}' },
        { name: 'LONGPO_REPORT_URL', value: 'http://elsewhere' },
        { name: 'JOB_COMPLETION_INDEX', value: '7' },
        { name: 'LONGPO_ENDPOINT', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } },
      ],
    };
    expect(env({ ...train, template })).toEqual(env(train));
  });

  it('lets the platform choose another HOME, once', () => {
    const template = { env: [{ name: 'HOME', value: '/longpo/home' }] };
    expect(env({ ...train, template })?.filter(({ name }) => name === 'HOME')).toEqual([
      { name: 'HOME', value: '/longpo/home' },
    ]);
  });

  it('gives the kubelet nothing to expand in a config, and the role the very text', () => {
    const config = { prompt: 'costs $(HOME) and $$5' };
    const value = env({ ...train, config })?.find(({ name }) => name === 'LONGPO_CONFIG')?.value ?? '';
    expect([value.includes('$'), JSON.parse(value)]).toEqual([false, config]);
  });
});
