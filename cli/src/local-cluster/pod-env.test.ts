import type { Container } from '@longpo/api';
import { expect, it } from 'vitest';
import { Network } from './network.ts';
import { podEnvironment } from './pod-env.ts';

const machine = {
  volumeRoot: '/state/volume',
  tokenFile: '/state/token',
  reportOrigin: 'http://127.0.0.1:4000',
  podFolder: '/state/pods/p',
  base: { PATH: '/bin', HOME: '/home/me' },
  network: new Network({ 'quickstart-1k-gen': 4001, 'train-0.train.default.svc:29500': 4002, served: 8000 }),
};

it('substitutes the names of the pod contract and nothing else', async () => {
  const env = [
    { name: 'LONGPO_VOLUME_ROOT', value: '/longpo' },
    { name: 'LONGPO_CONFIG', value: '{"rows":"/longpo/x"}' },
    { name: 'LONGPO_REPORT_URL', value: 'http://longpo-controller.longpo-system.svc:8080/apis/x/progress' },
    { name: 'LONGPO_TOKEN_FILE', value: '/var/run/secrets/longpo.dev/token' },
    { name: 'LONGPO_TERMINATION_LOG', value: '/dev/termination-log' },
    { name: 'LONGPO_COORDINATOR', value: 'train-0.train.default.svc:29500' },
    { name: 'LONGPO_ENDPOINT', value: 'http://quickstart-1k-gen.default.svc:8000/v1' },
    { name: 'HOME', value: '/tmp' },
  ];
  const pod = {
    apiVersion: 'v1' as const,
    kind: 'Pod' as const,
    metadata: {
      name: 'p',
      namespace: 'default',
      annotations: { 'batch.kubernetes.io/job-completion-index': '2' },
    },
    spec: { containers: [{ name: 'train', image: 'local', env }] as [Container] },
  };
  expect(await podEnvironment(pod, pod.spec.containers[0], machine)).toEqual({
    PATH: '/bin',
    HOME: '/home/me',
    LONGPO_VOLUME_ROOT: '/state/volume',
    LONGPO_CONFIG: '{"rows":"/longpo/x"}',
    LONGPO_REPORT_URL: 'http://127.0.0.1:4000/apis/x/progress',
    LONGPO_TOKEN_FILE: '/state/token',
    LONGPO_TERMINATION_LOG: '/state/pods/p/termination-log',
    LONGPO_COORDINATOR: '127.0.0.1:4002',
    LONGPO_ENDPOINT: 'http://127.0.0.1:4001/v1',
    JOB_COMPLETION_INDEX: '2',
  });
});

it('lets a server listen where its Service is reached, and leaves foreign endpoints alone', async () => {
  const pod = {
    apiVersion: 'v1' as const,
    kind: 'Pod' as const,
    metadata: { name: 's', namespace: 'default', labels: { 'longpo.dev/serving': 'served' } },
    spec: {
      containers: [
        {
          name: 'serve',
          image: 'local',
          env: [
            { name: 'LONGPO_LISTEN', value: '0.0.0.0:8000' },
            { name: 'LONGPO_ENDPOINT', value: 'https://api.example.com/v1' },
          ],
        },
      ] as [Container],
    },
  };
  const env = await podEnvironment(pod, pod.spec.containers[0], machine);
  expect([env.LONGPO_LISTEN, env.LONGPO_ENDPOINT]).toEqual(['127.0.0.1:8000', 'https://api.example.com/v1']);
});
