/** Waiting for what the pods and Jobs of a namespace do. */
import type { Transport } from '../../controller/src/kubernetes/transport.ts';
import { until } from '../waiting.ts';
import { listAll } from './snapshot.ts';

const patience = { timeoutMs: 60_000, pollMs: 100 };

/** Evicts all trainers once there are so many; resolves with how many were. */
export async function evictTrainers(api: Transport, namespace: string, count: number): Promise<number> {
  await untilRunning(api, namespace, count);
  const pods = (await listAll(api, namespace)).filter(({ kind }) => kind === 'Pod');
  const trainers = pods.filter(
    ({ metadata, status }) => /-train-/.test(metadata.name) && status?.phase === 'Running',
  );
  for (const { metadata } of trainers)
    await api.call('POST', `/api/v1/namespaces/${namespace}/pods/${metadata.name}/eviction`, {
      body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata.name, namespace } },
    });
  return trainers.length;
}

/** Until so many trainers run. */
export async function untilRunning(api: Transport, namespace: string, count: number): Promise<void> {
  await until(
    `${count} trainers run in ${namespace}`,
    async () => {
      const things = await listAll(api, namespace);
      const running = things.filter(
        ({ kind, metadata, status }) =>
          kind === 'Pod' && /-train-/.test(metadata.name) && status?.phase === 'Running',
      );
      return running.length === count;
    },
    patience,
  );
}

export const untilExists = (api: Transport, namespace: string, job: string) =>
  until(
    `Job ${job} exists`,
    async () => {
      const things = await listAll(api, namespace);
      return things.some(({ kind, metadata }) => kind === 'Job' && metadata.name === job);
    },
    patience,
  );

/** What is left once only claims are, or after a while. */
export async function untilEmpty(api: Transport, namespace: string): Promise<string[]> {
  let left: string[] = [];
  await until(
    'only claims are left',
    async () => {
      const things = await listAll(api, namespace);
      left = things.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      return left.every((name) => name.startsWith('PersistentVolumeClaim/'));
    },
    patience,
  ).catch(() => undefined);
  return left;
}
