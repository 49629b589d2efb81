import {
  apiVersion,
  completionIndexAnnotation,
  type Job,
  jobNameLabel,
  type LongPOTrainingStatus,
  labels,
  longpoTraining,
  type PodResult,
  type ProgressReport,
} from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Cluster } from './cluster.ts';
import { type Controller, startController } from './controller.ts';
import { MemoryCluster, type Stored } from './fixture/memory-cluster.ts';
import { resultOf } from './fixture/results.ts';
import { now, settings } from './fixture/training.ts';
import type { Logger } from './logger.ts';
import { ProgressStore } from './progress/store.ts';

const time = now.toISOString();
const training: Stored = {
  apiVersion,
  kind: 'LongPOTraining',
  metadata: { name: 'demo', namespace: 'research' },
  spec: longpoTraining.shape.spec.parse({
    model: { uri: '/models/smollm2' },
    documents: { uri: '/documents' },
    stages: [
      { name: 'one', contextLength: 1024 },
      { name: 'two', contextLength: 2048, parallelism: { sequence: 3, processesPerPod: 1 } },
    ],
  }),
};

function start(cluster: Cluster, errors: string[]): Promise<Controller> {
  const logger: Logger = {
    info: () => undefined,
    error: (msg, values) => errors.push(`${msg}: ${JSON.stringify(values)}`),
    child: () => logger,
  };
  const progress = new ProgressStore({ cluster, logger, periodMs: 1 });
  return startController({ cluster, settings, progress, logger, now: () => now });
}

/** All calls of the memory cluster resolve at once: when the event loop turns, the controller has nothing left to do. */
const idle = () => new Promise(setImmediate);

function endJob(world: MemoryCluster, job: Stored): void {
  const { name, namespace, uid = '' } = job.metadata;
  const role = job.metadata.labels?.[labels.role] ?? '';
  const result: PodResult = resultOf(role, job.metadata.labels?.[labels.stage] ?? '');
  const terminated = { exitCode: 0, finishedAt: time, message: JSON.stringify(result) };
  world.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-0`,
      namespace,
      labels: { ...(job as Job).spec?.template.metadata?.labels, [jobNameLabel]: name },
      annotations: { [completionIndexAnnotation]: '0' },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
    },
    status: { phase: 'Succeeded', containerStatuses: [{ state: { terminated } }] },
  });
  const condition = { type: 'Complete', status: 'True', lastTransitionTime: time };
  world.put({ ...job, status: { conditions: [condition] } });
}

function withProgress(status: LongPOTrainingStatus, progress: ProgressReport): LongPOTrainingStatus {
  return {
    ...status,
    fetchProgress: progress,
    stages: (status.stages ?? []).map((stage) => ({ ...stage, progress })),
  };
}

/** One thing that the rest of a cluster does: collects what was removed, readies a server or ends a Job. */
function worldStep(world: MemoryCluster): boolean {
  const removed = [...world.objects.values()].find(
    ({ metadata }) => metadata.deletionTimestamp !== undefined,
  );
  if (removed) {
    world.collect(removed);
    return true;
  }
  const deployment = world.list('Deployment').find(({ status }) => status === undefined);
  if (deployment) {
    world.put({
      ...deployment,
      status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1 },
    });
    return true;
  }
  const job = world.list('Job').find(({ status }) => status === undefined);
  if (job) endJob(world, job);
  return job !== undefined;
}

/** Everything that there is, without the versions, which count writes. */
function endOf(world: MemoryCluster): Record<string, Stored> {
  const unversioned = [...world.objects].map(([key, { metadata, ...object }]): [string, Stored] => {
    const { resourceVersion: _, ...rest } = metadata;
    return [key, { ...object, metadata: rest }];
  });
  return Object.fromEntries(unversioned.sort(([a], [b]) => a.localeCompare(b)));
}

/** Runs a training to its end; controllers die after so many writes each, and the next one takes over. */
async function run(lives: Iterator<number>, first: Stored = training) {
  const world = new MemoryCluster();
  const errors: string[] = [];
  world.put(first);
  const life = () => world.facade(lives.next().value ?? Number.POSITIVE_INFINITY);
  let facade = life();
  const controllers = [await start(facade, errors)];
  for (let steps = 0; steps < 1000; steps++) {
    await idle();
    if (facade.isDead()) {
      facade = life();
      controllers.push(await start(facade, errors));
    } else if (!worldStep(world)) break;
  }
  const end = endOf(world);
  const madeTwice = [...world.made].filter(([, times]) => times > 1).map(([key]) => key);
  return { world, end, errors, madeTwice, controllers };
}

describe('the controller', () => {
  it('takes a training of two stages to a served checkpoint', async () => {
    const { world, end, errors, madeTwice } = await run([][Symbol.iterator]());
    expect({ errors, madeTwice }).toEqual({ errors: [], madeTwice: [] });
    expect(Object.keys(end)).toEqual([
      'Deployment/research/demo',
      'Job/research/demo-fetch-a1',
      'Job/research/demo-one-generate-a1',
      'Job/research/demo-one-train-a1',
      'Job/research/demo-one-verify-a1',
      'Job/research/demo-two-generate-a1',
      'Job/research/demo-two-train-a1',
      'Job/research/demo-two-verify-a1',
      'LongPOServing/research/demo',
      'LongPOTraining/research/demo',
      'NetworkPolicy/research/demo',
      'Pod/research/demo-fetch-a1-0',
      'Pod/research/demo-one-generate-a1-0',
      'Pod/research/demo-one-train-a1-0',
      'Pod/research/demo-one-verify-a1-0',
      'Pod/research/demo-two-generate-a1-0',
      'Pod/research/demo-two-train-a1-0',
      'Pod/research/demo-two-verify-a1-0',
      'Service/research/demo',
      'Service/research/demo-two-train-a1',
    ]);
    expect(world.objects.get('LongPOTraining/research/demo')?.status).toMatchObject({
      state: 'Succeeded',
      url: 'http://demo.research.svc:8000/v1',
      stages: [{ state: 'Succeeded' }, { state: 'Succeeded' }],
    });
    expect(world.writes.filter((line) => !line.startsWith('status'))).toEqual([
      'create Job/demo-fetch-a1',
      'apply LongPOServing/demo-one-gen',
      'apply NetworkPolicy/demo-one-gen',
      'apply Deployment/demo-one-gen',
      'apply Service/demo-one-gen',
      'create Job/demo-one-generate-a1',
      'remove LongPOServing/demo-one-gen',
      'create Job/demo-one-train-a1',
      'create Job/demo-one-verify-a1',
      'apply LongPOServing/demo-two-gen',
      'apply NetworkPolicy/demo-two-gen',
      'apply Deployment/demo-two-gen',
      'apply Service/demo-two-gen',
      'create Job/demo-two-generate-a1',
      'remove LongPOServing/demo-two-gen',
      'apply Service/demo-two-train-a1',
      'create Job/demo-two-train-a1',
      'create Job/demo-two-verify-a1',
      'apply LongPOServing/demo',
      'apply NetworkPolicy/demo',
      'apply Deployment/demo',
      'apply Service/demo',
    ]);
  });

  it('ends the same when it is killed after any one write', async () => {
    const calm = await run([][Symbol.iterator]());
    const wrong: unknown[] = [];
    for (let point = 1; point <= calm.world.writes.length; point++) {
      const { end, errors, madeTwice, controllers } = await run([point][Symbol.iterator]());
      expect(controllers.length).toBe(2);
      if (JSON.stringify([end, errors, madeTwice]) !== JSON.stringify([calm.end, [], []]))
        wrong.push({ point, write: calm.world.writes[point - 1], errors, madeTwice });
    }
    expect(wrong).toEqual([]);
  });

  it('ends the same when every controller is killed after its first write', async () => {
    const calm = await run([][Symbol.iterator]());
    const restless = await run(Array(1000).fill(1)[Symbol.iterator]());
    expect(restless.controllers.length).toBeGreaterThan(20);
    expect([restless.end, restless.errors, restless.madeTwice]).toEqual([calm.end, [], []]);
  });

  it('writes nothing once everything is as it should be', async () => {
    const { world, controllers } = await run([][Symbol.iterator]());
    const written = world.writes.length;
    world.resync();
    await idle();
    await Promise.all(controllers.map((controller) => controller.stop()));
    const errors: string[] = [];
    const next = await start(world.facade(), errors);
    await idle();
    await next.stop();
    expect({ more: world.writes.slice(written), errors }).toEqual({ more: [], errors: [] });
  });

  it('leaves the progress that pods reported to its own writer', async () => {
    const { world, controllers } = await run([][Symbol.iterator]());
    const object = world.list('LongPOTraining')[0];
    const status = object?.status as LongPOTrainingStatus;
    const report = {
      role: 'train',
      stage: 'one',
      attempt: 1,
      phase: 'train',
      completed: 1,
      total: 3,
    } as const;
    const progress = { ...report, unit: 'steps', reportedAt: time } as const;
    const written = world.writes.length;
    if (object) world.put({ ...object, status: withProgress(status, progress) });
    await idle();
    await Promise.all(controllers.map((controller) => controller.stop()));
    expect(world.writes.slice(written)).toEqual([]);
  });

  it('rebuilds a status that it cannot read, as one of another version', async () => {
    const calm = await run([][Symbol.iterator]());
    const unreadable = {
      ...training,
      status: { phase: 'Training', conditions: 'none', stages: [{ name: 'one' }] },
    };
    const { end, errors } = await run([][Symbol.iterator](), unreadable);
    expect({ end, errors }).toEqual({ end: calm.end, errors: [] });
  });

  it('makes again what somebody deleted', async () => {
    const { world } = await run([][Symbol.iterator]());
    const deployment = world.list('Deployment')[0];
    if (deployment) world.collect(deployment);
    await idle();
    expect(world.writes.filter((line) => !line.startsWith('status')).at(-1)).toBe('apply Deployment/demo');
  });

  it("waits for the last pod of a Job that is gone, and for nobody else's", async () => {
    const world = new MemoryCluster();
    world.put(training);
    const pod = (name: string, podLabels: Record<string, string>): Stored => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'research', labels: { [labels.training]: 'demo', ...podLabels } },
      status: { phase: 'Running' },
    });
    world.put(pod('notebook', {}));
    const left = pod('demo-fetch-a1-0', {
      [labels.managedBy]: 'longpo-controller',
      [labels.role]: 'fetch',
      [labels.attempt]: '1',
      [jobNameLabel]: 'demo-fetch-a1',
    });
    world.put(left);
    const controller = await start(world.facade(), []);
    await idle();
    const before = [...world.writes];
    world.put({ ...left, status: { phase: 'Failed' } });
    await idle();
    await controller.stop();
    const isMade = (line: string) => line.startsWith('create');
    expect([before.filter(isMade), world.writes.filter(isMade)]).toEqual([[], ['create Job/demo-fetch-a1']]);
  });

  it('leaves a training alone that is being deleted', async () => {
    const world = new MemoryCluster();
    world.put({ ...training, metadata: { ...training.metadata, deletionTimestamp: time } });
    const controller = await start(world.facade(), []);
    await idle();
    await controller.stop();
    expect(world.writes).toEqual([]);
  });

  it('does not take the children of an earlier training of that name for its own, nor writes over them', async () => {
    const { world } = await run([][Symbol.iterator]());
    const before = new MemoryCluster();
    for (const object of world.objects.values()) if (object.kind !== 'LongPOTraining') before.put(object);
    const renewed = { ...training, metadata: { ...training.metadata, uid: 'uid-of-another' } };
    before.put(renewed);
    const errors: string[] = [];
    const controller = await start(before.facade(), errors);
    await idle();
    await controller.stop();
    expect([...new Set(errors)]).toEqual([
      'reconcile failed: {"key":"research/demo","error":"Job/demo-fetch-a1 exists already and belongs to something else"}',
    ]);
    expect(before.writes).toEqual(['status LongPOTraining/demo']);
    const status = before.objects.get('LongPOTraining/research/demo')?.status as LongPOTrainingStatus;
    expect(status.conditions?.find(({ type }) => type === 'ResourcesReconciled')).toMatchObject({
      status: 'False',
      reason: 'NameTaken',
      message: 'Job/demo-fetch-a1 exists already and belongs to something else',
    });
  });
});
