import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pods } from '@longpo/controller';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { kubeletTiming, type PodResource, type Runtime } from '../pod/index.ts';
import { ObjectStore } from './object-store.ts';
import { PodExecutor } from './pod-executor.ts';

let folder: string;
let store: ObjectStore;
let executor: PodExecutor;

/** A node on which nothing may start. */
const runtime: Runtime = {
  prepare: () => Promise.reject(new Error('nothing starts here')),
  start: () => Promise.reject(new Error('nothing starts here')),
  release: async () => {},
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pod-executor-'));
  store = new ObjectStore(folder);
  executor = new PodExecutor({ store, runtime, timing: kubeletTiming, maxGraceMs: 1000 });
});
afterEach(async () => {
  await executor.stop(0);
  rmSync(folder, { recursive: true });
});

it('finds what the last run left: lost, gone, or as it ended', () => {
  const left = (name: string, restartPolicy: string, phase: string, rest: object = {}) =>
    store.put({
      ...pods,
      metadata: { name, namespace: 'default', ...rest },
      spec: { restartPolicy, containers: [] },
      status: { phase },
    });
  left('trains', 'Never', 'Running');
  left('trained', 'Never', 'Succeeded');
  left('serves', 'Always', 'Running');
  left('served', 'Always', 'Failed');
  left('deleted', 'Never', 'Running', { deletionTimestamp: '2026-01-01T00:00:00Z' });
  executor.start();
  const found = store.list(pods).map((object) => {
    const { metadata, status } = object as PodResource;
    return [metadata.name, status?.phase, status?.reason, status?.conditions?.map(({ type }) => type)];
  });
  expect(found).toEqual([
    ['trains', 'Failed', 'NodeLost', ['DisruptionTarget']],
    ['trained', 'Succeeded', undefined, undefined],
  ]);
});
