import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@longpo/api';
import { jobs, pods } from '@longpo/controller';
import { expect, it } from 'vitest';
import { startJobController } from './job-controller.ts';
import { ObjectStore, type StoredObject } from './object-store.ts';

it('stops the pods of a suspended Job, and makes new ones when it is resumed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobs-'));
  const store = new ObjectStore(folder);
  const stop = startJobController(store, () => 1000);
  const ref = { ...jobs, namespace: 'default', name: 'train' };
  const settle = () => new Promise(setImmediate);
  const change = async (spec: object) => {
    const job = store.get(ref) as StoredObject;
    store.put({ ...job, spec: { ...job.spec, ...spec } });
    await settle();
  };
  const seen = () => {
    const { conditions = [], startTime } = (store.get(ref) as Job).status ?? {};
    const alive = store.list(pods).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    return { pods: alive.length, started: startTime !== undefined, suspended: conditions[0]?.status };
  };
  store.put({
    ...jobs,
    metadata: { name: 'train', namespace: 'default' },
    spec: { completions: 2, parallelism: 2, template: { spec: { containers: [] } } },
  });
  await settle();
  const running = seen();
  await change({ suspend: true });
  const suspended = seen();
  // What runs the pods ends them.
  for (const pod of store.list(pods))
    store.delete({ ...pods, namespace: 'default', name: pod.metadata.name });
  await change({ suspend: false });
  const resumed = seen();
  await stop();
  rmSync(folder, { recursive: true });
  expect([running, suspended, resumed]).toEqual([
    { pods: 2, started: true, suspended: undefined },
    { pods: 0, started: true, suspended: 'True' },
    { pods: 2, started: true, suspended: 'False' },
  ]);
});

it('does not count the time between two runs of the cluster', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobs-'));
  const store = new ObjectStore(folder);
  store.put({
    ...jobs,
    metadata: { name: 'train', namespace: 'default' },
    spec: {
      completions: 1,
      parallelism: 1,
      activeDeadlineSeconds: 60,
      template: { spec: { containers: [] } },
    },
    status: { startTime: '2020-01-01T00:00:00Z' },
  });
  const stop = startJobController(store, () => 1000);
  await new Promise(setImmediate);
  await stop();
  const { conditions, active } =
    (store.get({ ...jobs, namespace: 'default', name: 'train' }) as Job).status ?? {};
  rmSync(folder, { recursive: true });
  expect({ conditions, active }).toEqual({ conditions: undefined, active: 1 });
});
