import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { pods, refOf } from '@longpo/controller';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { conformanceCases, type Outcome, outcomeOf } from '../pod/fixture/conformance.ts';
import { machineOf } from '../pod/fixture/pod-fixture.ts';
import { kubeletTiming, type PodResource } from '../pod/index.ts';
import { LocalRuntime } from './local-runtime.ts';
import { ObjectStore } from './object-store.ts';
import { PodExecutor } from './pod-executor.ts';

let folder: string;
let store: ObjectStore;
let executor: PodExecutor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pod-conformance-'));
  store = new ObjectStore(join(folder, 'objects'));
  const runtime = new LocalRuntime({ stateFolder: folder, machine: machineOf(folder) });
  const timing = { ...kubeletTiming, probePeriodMs: (ms: number) => Math.min(ms, 250) };
  executor = new PodExecutor({ store, runtime, timing, maxGraceMs: 15_000 });
  executor.start();
});
afterEach(async () => {
  await executor.stop(0);
  rmSync(folder, { recursive: true });
});

/** The status that stays: the expected one, or what there is when it does not come. */
async function settled(wanted: Outcome): Promise<Outcome> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const pod = store.get({ ...pods, namespace: 'default', name: 'case' }) as PodResource | undefined;
    const outcome = outcomeOf(pod?.status ?? {});
    if (isDeepStrictEqual(outcome, wanted) || Date.now() > deadline) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a pod of the local cluster', () => {
  it.each(conformanceCases)('$name', async ({ spec, outcome }) => {
    const metadata = { name: 'case', namespace: 'default' };
    store.put({ ...pods, metadata, spec });
    expect(await settled(outcome)).toEqual(outcome);
  });

  it('is gone when it was deleted and its process has ended', async () => {
    const spec = { containers: [{ name: 'main', image: 'x', command: ['sleep', '600'] }] };
    const pod = store.put({ ...pods, metadata: { name: 'case', namespace: 'default' }, spec });
    const gone = new Promise<void>((resolve) =>
      store.subscribe(({ type }) => {
        if (type === 'DELETED') resolve();
      }),
    );
    store.put({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: new Date().toISOString() } });
    await gone;
    expect(store.get(refOf(pod))).toBeUndefined();
  });
});
