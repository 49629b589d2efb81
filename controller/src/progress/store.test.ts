import { apiVersion, type ProgressReport } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Cluster, ResourceRef } from '../cluster.ts';
import { MemoryCluster } from '../fixture/memory-cluster.ts';
import { createLogger } from '../logger.ts';
import { ProgressStore } from './store.ts';

const ref: ResourceRef = { apiVersion, kind: 'LongPOTraining', namespace: 'research', name: 'demo' };

const makeReport = (stage: string, completed: number, second: number): ProgressReport => ({
  role: stage === '' ? 'fetch' : 'train',
  stage,
  attempt: 1,
  phase: stage === '' ? 'fetch' : 'train',
  completed,
  total: 3,
  unit: stage === '' ? 'bytes' : 'steps',
  reportedAt: `2026-11-24T12:00:0${second}Z`,
});

/** Records each status write, and tells when one came. */
function makeStore(periodMs: number, refuse = false) {
  const world = new MemoryCluster();
  world.put({
    apiVersion,
    kind: ref.kind,
    metadata: { name: ref.name, namespace: ref.namespace },
    status: { stages: [{ name: 'one' }, { name: 'two' }] },
  });
  const written: [status: object, manager: string][] = [];
  const errors: string[] = [];
  let wake = () => {};
  const cluster: Cluster = {
    ...world.facade(),
    async patchStatus(_, status, manager) {
      written.push([status, manager]);
      wake();
      if (refuse) throw new Error('refused');
    },
  };
  const logger = createLogger((line) => errors.push(JSON.parse(line).msg));
  const store = new ProgressStore({ cluster, logger, periodMs });
  const nextWrite = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  return { store, written, errors, nextWrite };
}

describe('the progress store', () => {
  it('writes many reports of a period as one status, under its own field manager', async () => {
    const { store, written, nextWrite } = makeStore(20);
    for (let step = 1; step <= 3; step++) store.record(ref, makeReport('one', step, step));
    store.record(ref, makeReport('', 9, 0));
    await nextWrite();
    const status = {
      fetchProgress: makeReport('', 9, 0),
      stages: [{ name: 'one', progress: makeReport('one', 3, 3) }],
    };
    expect(written).toEqual([[status, 'longpo-progress']]);
    store.record(ref, makeReport('two', 1, 5));
    await nextWrite();
    expect(written.length).toBe(2);
    expect(written[1]?.[0]).toEqual({
      ...status,
      stages: [...status.stages, { name: 'two', progress: makeReport('two', 1, 5) }],
    });
  });

  it('ignores a report that is older than the one it holds', async () => {
    const { store, written } = makeStore(60_000);
    store.record(ref, makeReport('one', 2, 4));
    store.record(ref, makeReport('one', 1, 3));
    await store.flush();
    expect(written.map(([status]) => status)).toEqual([
      { stages: [{ name: 'one', progress: makeReport('one', 2, 4) }] },
    ]);
    store.record(ref, makeReport('one', 1, 3));
    await store.flush();
    expect(written.length).toBe(1);
  });

  it('writes no stage that the training does not have', async () => {
    const { store, written } = makeStore(60_000);
    store.record(ref, makeReport('three', 1, 1));
    await store.flush();
    expect(written.map(([status]) => status)).toEqual([{ stages: [] }]);
  });

  it('writes nothing of a training that is forgotten', async () => {
    const { store, written } = makeStore(60_000);
    store.record(ref, makeReport('one', 1, 1));
    store.forget(ref);
    await store.flush();
    expect(written).toEqual([]);
  });

  it('outlives a refused write and writes the next report', async () => {
    const { store, written, errors } = makeStore(60_000, true);
    store.record(ref, makeReport('one', 1, 1));
    await store.flush();
    store.record(ref, makeReport('one', 2, 2));
    await store.flush();
    expect({ writes: written.length, errors }).toEqual({
      writes: 2,
      errors: ['progress not written', 'progress not written'],
    });
  });
});
