import { apiVersion, conditionTypes, type LongPOTrainingStatus, longpoTraining } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { type Cluster, ClusterError, type Reader, type ResourceRef } from '../cluster.ts';
import { MemoryCluster, type Stored } from '../fixture/memory-cluster.ts';
import { resultOf } from '../fixture/results.ts';
import { now, settings } from '../fixture/training.ts';
import type { Logger } from '../logger.ts';
import { observeTraining, trainingStatusOf, trainingType } from './observe.ts';
import { RecentWrites } from './recent-writes.ts';
import { type Kind, reconcile } from './reconcile.ts';
import { decideTraining } from './training/decide.ts';

const ref: ResourceRef = { ...trainingType, namespace: 'research', name: 'demo' };
const training: Stored = {
  apiVersion,
  kind: trainingType.kind,
  metadata: { name: 'demo', namespace: 'research', uid: 'uid-demo' },
  spec: longpoTraining.shape.spec.parse({
    model: { uri: '/models/smollm2' },
    documents: { uri: '/documents' },
    stages: [{ name: 'one', contextLength: 1024 }],
    storage: { size: '1Ti' },
  }),
};
const kind: Kind<NonNullable<Awaited<ReturnType<typeof observeTraining>>>> = {
  observe: observeTraining,
  decide: (subject, at) => decideTraining(subject, settings, at),
  statusOf: trainingStatusOf,
};

/** One reconcile of the world, through a cluster that differs from it where the test says so. */
async function run(
  world: MemoryCluster,
  change: (cluster: Cluster) => Partial<Cluster> = () => ({}),
  { recent, at = now }: { recent?: RecentWrites; at?: Date } = {},
) {
  const lines: string[] = [];
  const logger: Logger = {
    info: (msg, values) => lines.push(`${msg} ${values?.child ?? values?.reason}`),
    error: (msg) => lines.push(`error ${msg}`),
    child: () => logger,
  };
  const facade = world.facade();
  const cluster: Cluster = { ...facade, ...change(facade) };
  const result = await reconcile(kind, ref, {
    cluster,
    logger,
    now: () => at,
    ...(recent && { recent }),
  }).catch((error: unknown) => `failed: ${error instanceof Error ? error.message : error}`);
  const status = world.objects.get('LongPOTraining/research/demo')?.status as LongPOTrainingStatus;
  const condition = status?.conditions?.find(({ type }) => type === conditionTypes.resourcesReconciled);
  const reconciled = condition && `${condition.status} ${condition.reason}: ${condition.message}`;
  return { result, lines, writes: [...world.writes], status, reconciled };
}

/** The Job has ended well, and its pod tells the result; gives the pod's name. */
function complete(world: MemoryCluster, jobName: string, result: object): string {
  const job = world.objects.get(`Job/research/${jobName}`) as Stored;
  const name = `${jobName}-0`;
  const terminated = { exitCode: 0, message: JSON.stringify(result) };
  const condition = { type: 'Complete', status: 'True', lastTransitionTime: now.toISOString() };
  world.put({ ...job, status: { conditions: [condition] } });
  world.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'research',
      labels: job.metadata.labels ?? {},
      ownerReferences: [
        { apiVersion: 'batch/v1', kind: 'Job', name: jobName, uid: job.metadata.uid ?? '', controller: true },
      ],
    },
    status: { phase: 'Succeeded', containerStatuses: [{ name: 'role', state: { terminated } }] },
  } as Stored);
  return name;
}

/** The fetch Job of the world as it would be if it had failed. */
function failedFetch(world: MemoryCluster): Stored {
  const job = world.objects.get('Job/research/demo-fetch-a1') as Stored;
  const condition = { type: 'Failed', status: 'True', lastTransitionTime: '2026-11-24T11:59:00Z' };
  return { ...job, status: { conditions: [condition] } };
}

function makeWorld(): MemoryCluster {
  const world = new MemoryCluster();
  world.put(training);
  return world;
}

const forbidden = async () => {
  throw new ClusterError('Forbidden', 'jobs.batch is forbidden');
};

describe('reconcile', () => {
  it('makes what is missing, one line each, and then writes the status', async () => {
    const { result, lines, writes, reconciled } = await run(makeWorld());
    expect({ result, lines, writes, reconciled }).toEqual({
      result: {},
      lines: ['created PersistentVolumeClaim/longpo', 'created Job/demo-fetch-a1'],
      writes: [
        'create PersistentVolumeClaim/longpo',
        'create Job/demo-fetch-a1',
        'status LongPOTraining/demo',
      ],
      reconciled: 'True Reconciled: every object is as it should be',
    });
  });

  it('makes nothing twice on a view that has seen nothing of it', async () => {
    const world = makeWorld();
    const old = structuredClone(training);
    await run(world);
    await run(world);
    const written = world.writes.length;
    const stale: Reader = { get: async () => old, list: async () => [] };
    const { writes, lines } = await run(world, () => stale);
    expect({ more: writes.slice(written), lines }).toEqual({ more: [], lines: [] });
  });

  it('asks the API server itself only when a child is to be written', async () => {
    const world = makeWorld();
    await run(world);
    const asked: string[] = [];
    const live = (cluster: Cluster): Reader => ({
      get: (wanted) => {
        asked.push(`get ${wanted.kind}`);
        return cluster.live.get(wanted);
      },
      list: (type, namespace, labels) => cluster.live.list(type, namespace, labels),
    });
    await run(world, (cluster) => ({ live: live(cluster) }));
    expect(asked).toEqual([]);
  });

  it('tells an end only when the API server says so too', async () => {
    const world = makeWorld();
    await run(world);
    const failed = failedFetch(world);
    const ahead = (cluster: Cluster): Partial<Cluster> => ({
      list: async (type, namespace, labels) =>
        type.kind === 'Job' ? [failed] : cluster.list(type, namespace, labels),
    });
    const { status } = await run(world, ahead);
    expect(status.state).toBe('Fetching');
    world.put(failed);
    expect((await run(world)).status.state).toBe('Failed');
  });

  it('names a new attempt only when the API server says so too', async () => {
    const world = makeWorld();
    const server = (ready: 'True' | 'False') => {
      const serving = world.objects.get('LongPOServing/research/demo-one-gen') as Stored;
      const condition = {
        type: 'Ready',
        status: ready,
        reason: 'Available',
        message: '',
        observedGeneration: 1,
      };
      return {
        ...serving,
        status: { conditions: [{ ...condition, lastTransitionTime: now.toISOString() }] },
      };
    };
    await run(world);
    complete(world, 'demo-fetch-a1', resultOf('fetch', ''));
    await run(world);
    world.put(server('True'));
    await run(world);
    const pod = complete(world, 'demo-one-generate-a1', resultOf('generate', 'one'));
    // The Job was seen to be complete, its pod not at all, and the server no longer answers: nothing to make.
    const { status } = await run(world, (cluster) => ({
      list: async (type, namespace, labels) => {
        if (type.kind === 'LongPOServing') return [server('False')];
        const all = await cluster.list(type, namespace, labels);
        return all.filter(({ metadata }) => metadata.name !== pod);
      },
    }));
    await run(world);
    expect(status.stages?.map(({ attempt }) => attempt)).toEqual([1]);
    expect(world.made.has('Job/research/demo-one-generate-a2')).toBe(false);
  });

  it('does not write a status over a newer one, and comes back without a word', async () => {
    const world = makeWorld();
    await run(world);
    const old = structuredClone(world.objects.get('LongPOTraining/research/demo')) as Stored;
    world.put({ ...old, metadata: { ...old.metadata, labels: { changed: 'since' } } });
    const behind = { ...old, status: {} };
    const { result, lines, reconciled } = await run(world, (cluster) => ({
      get: (wanted) => (wanted.kind === ref.kind ? Promise.resolve(behind) : cluster.get(wanted)),
    }));
    expect({ result, lines, reconciled }).toEqual({
      result: { requeueAfterSeconds: 1 },
      lines: [],
      reconciled: 'True Reconciled: every object is as it should be',
    });
  });

  it('waits for the event of its own write instead of writing on the view from before it', async () => {
    const world = makeWorld();
    const recent = new RecentWrites();
    const old = structuredClone(world.objects.get('LongPOTraining/research/demo'));
    await run(world, undefined, { recent });
    const tried: string[] = [];
    const behind = (cluster: Cluster): Partial<Cluster> => ({
      get: (wanted) => (wanted.kind === ref.kind ? Promise.resolve(old) : cluster.get(wanted)),
      patchStatus: async (...patch) => {
        tried.push('status');
        await cluster.patchStatus(...patch);
      },
    });
    const soon = await run(world, behind, { recent, at: new Date(now.getTime() + 400) });
    const later = await run(world, behind, { recent, at: new Date(now.getTime() + 1000) });
    expect([soon.result, later.result, tried]).toEqual([
      { requeueAfterSeconds: 0.6 },
      { requeueAfterSeconds: 1 },
      ['status'],
    ]);
  });

  it.each<[name: string, error: Error, wanted: string]>([
    [
      'what the API refuses, with its reason',
      new ClusterError('Forbidden', 'jobs.batch is forbidden'),
      'False Forbidden: jobs.batch is forbidden',
    ],
    [
      'an error without a reason',
      new ClusterError('', 'the API server answered 502'),
      'False APIError: the API server answered 502',
    ],
    ['a broken connection', new Error('socket hang up'), 'False APIError: socket hang up'],
  ])('shows %s', async (_, error, wanted) => {
    const create = async () => {
      throw error;
    };
    const { result, reconciled, status } = await run(makeWorld(), () => ({ create }));
    expect({ result, reconciled, state: status.state, conditions: status.conditions?.length }).toEqual({
      result: `failed: ${error.message}`,
      reconciled: wanted,
      state: 'Fetching',
      conditions: 7,
    });
  });

  it('shows a read that fails, and keeps the rest of the status', async () => {
    const world = makeWorld();
    const before = await run(world);
    const { reconciled, status } = await run(world, () => ({ list: forbidden }));
    const others = (list: LongPOTrainingStatus['conditions']) =>
      list?.filter(({ type }) => type !== conditionTypes.resourcesReconciled);
    expect(reconciled).toBe('False Forbidden: jobs.batch is forbidden');
    expect({ ...status, conditions: others(status.conditions) }).toEqual({
      ...before.status,
      conditions: others(before.status.conditions),
    });
  });

  it('says of a training that was resumed into an error what it is at, and tells so once', async () => {
    const world = new MemoryCluster();
    world.put({ ...training, spec: { ...training.spec, suspend: true } });
    const before = await run(world);
    world.put({
      ...(world.objects.get('LongPOTraining/research/demo') as Stored),
      spec: training.spec ?? {},
    });
    const { status, reconciled, writes } = await run(world, () => ({ create: forbidden }));
    const again = await run(world, () => ({ create: forbidden }), { at: new Date(now.getTime() + 5000) });
    expect([before.status.state, status.state, reconciled, status.observedGeneration]).toEqual([
      'Suspended',
      'Fetching',
      'False Forbidden: jobs.batch is forbidden',
      2,
    ]);
    expect(world.events).toEqual(['Normal Suspended', 'Normal Resumed']);
    expect(again.writes).toEqual(writes);
  });

  it('tells no end on an old view when the API server cannot be asked', async () => {
    const world = makeWorld();
    await run(world);
    const failed = failedFetch(world);
    const { status, reconciled } = await run(world, (cluster) => ({
      list: async (type, namespace, labels) =>
        type.kind === 'Job' ? [failed] : cluster.list(type, namespace, labels),
      live: { get: cluster.live.get, list: forbidden },
    }));
    expect([status.state, reconciled]).toEqual(['Fetching', 'False Forbidden: jobs.batch is forbidden']);
  });

  it('says that all is well again once it is', async () => {
    const world = makeWorld();
    await run(world, () => ({ create: forbidden }));
    const { reconciled, lines } = await run(world);
    expect({ reconciled, lines }).toEqual({
      reconciled: 'True Reconciled: every object is as it should be',
      lines: ['created PersistentVolumeClaim/longpo', 'created Job/demo-fetch-a1'],
    });
  });

  it('writes the same error once, however often it comes', async () => {
    const world = makeWorld();
    await run(world, () => ({ create: forbidden }));
    const written = world.writes.length;
    const { writes } = await run(world, () => ({ create: forbidden }));
    expect(writes.slice(written)).toEqual([]);
  });

  it('takes a claim that is there for the one it wants, whoever made it', async () => {
    const world = makeWorld();
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' };
    world.put({ ...claim, metadata: { name: 'longpo', namespace: 'research', uid: 'uid-of-the-users' } });
    const { lines } = await run(world);
    expect(lines).toEqual(['created Job/demo-fetch-a1']);
  });

  it('tells events after the status is written, and none when nothing changed', async () => {
    const world = makeWorld();
    world.put({ ...training, spec: { ...training.spec, documents: { uri: 'pvc://other/documents' } } });
    await run(world);
    await run(world);
    expect(world.events).toEqual(['Warning PlanInvalid']);
  });

  it('is done with a training that is gone', async () => {
    expect((await run(new MemoryCluster())).result).toEqual({ gone: true });
  });
});
