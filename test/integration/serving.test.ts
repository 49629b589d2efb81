import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LongPOServing, labels } from '../../api/src/index.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import type { OperatorProcess } from '../operator/operator-process.ts';
import { World } from '../operator/world.ts';

/** Servings on a real control plane that allows only restricted pods and has no node to run them. */
const namespace = 'research';
let bed: Bed;
let world: World;
let operator: OperatorProcess;

beforeAll(async () => {
  bed = await startBed({ nodes: 0 });
  world = new World(bed);
  await world.install();
  await world.makeNamespace(namespace, { 'pod-security.kubernetes.io/enforce': 'restricted' });
  operator = world.startOperator('serving-test');
});
afterAll(async () => {
  await operator?.kill();
  world?.close();
  await bed?.stop();
});

const kubectl = async (...args: string[]) =>
  JSON.parse(await bed.kubectl('-n', namespace, ...args, '-o', 'json'));
const patience = { timeout: 60_000, interval: 200 };

const everyKind = 'deployments,services,poddisruptionbudgets,networkpolicies';
const childrenOf = async (name: string): Promise<string[]> => {
  const { items } = await kubectl('get', everyKind, '-l', `${labels.serving}=${name}`);
  return items.map(({ kind }: { kind: string }) => kind).sort();
};
const podsOf = async (name: string) =>
  (await kubectl('get', 'pods', '-l', `${labels.serving}=${name}`)).items;

const guarded = ['Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service'];

describe.each([
  { name: 'cpu', spec: { maxModelLen: 8192 } },
  { name: 'gpu', spec: { engine: 'vllm', tensorParallelSize: 2, ropeTheta: 1e7, maxModelLen: 8192 } },
])('a serving ($name)', ({ name, spec }) => {
  const statusOf = async (): Promise<LongPOServing['status']> =>
    (await kubectl('get', 'longposerving', name)).status;

  it('becomes its objects, whose pods the restricted standard lets in', async () => {
    await bed.apply(
      JSON.stringify({
        apiVersion: 'longpo.dev/v1alpha1',
        kind: 'LongPOServing',
        metadata: { name, namespace },
        spec: { model: { uri: 'pvc://longpo/demo/one/checkpoint' }, replicas: 2, ...spec },
      }),
    );
    await vi.waitFor(async () => expect(await childrenOf(name)).toEqual(guarded), patience);
    await vi.waitFor(async () => expect(await podsOf(name)).toHaveLength(2), patience);
  });

  it('says why nothing answers, and offers itself to be scaled', async () => {
    await vi.waitFor(async () => {
      const status = await statusOf();
      const seen = status?.conditions?.map(({ type, status, reason }) => [type, status, reason]);
      expect({ ...status, conditions: seen }).toEqual({
        observedGeneration: 1,
        replicas: 2,
        readyReplicas: 0,
        selector: `longpo.dev/serving=${name}`,
        url: `http://${name}.research.svc:8000/v1`,
        conditions: [
          ['Ready', 'False', 'Starting'],
          ['PodsReady', 'False', 'PodsPending'],
          ['Progressing', 'True', 'Advancing'],
          ['ResourcesReconciled', 'True', 'Reconciled'],
        ],
      });
      // In the scheduler's own words.
      expect(status?.conditions?.[0]?.message).toMatch(/^0 of 2 replicas answer; .*no nodes available/);
    }, patience);
    await bed.kubectl('-n', namespace, 'scale', 'longposerving', name, '--replicas=1');
    await vi.waitFor(async () => {
      expect(await childrenOf(name)).toEqual(guarded.filter((kind) => kind !== 'PodDisruptionBudget'));
      expect(await podsOf(name)).toHaveLength(1);
    }, patience);
  });

  it('makes again what somebody deletes', async () => {
    await bed.kubectl('-n', namespace, 'delete', 'networkpolicy,service', name);
    await vi.waitFor(
      async () => expect(await childrenOf(name)).toEqual(['Deployment', 'NetworkPolicy', 'Service']),
      patience,
    );
  });

  it('leaves nothing behind', async () => {
    await bed.kubectl('-n', namespace, 'delete', 'longposerving', name);
    await vi.waitFor(async () => {
      expect(await childrenOf(name)).toEqual([]);
      expect(await podsOf(name)).toEqual([]);
    }, patience);
  });
});

it('tells of a name that is taken, and leaves the other object alone', async () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'taken', namespace } };
  await bed.apply(JSON.stringify({ ...service, spec: { ports: [{ port: 80 }] } }));
  await bed.apply(
    JSON.stringify({
      apiVersion: 'longpo.dev/v1alpha1',
      kind: 'LongPOServing',
      metadata: { name: 'taken', namespace },
      spec: { model: { uri: '/models/m' } },
    }),
  );
  await vi.waitFor(async () => {
    const { status } = (await kubectl('get', 'longposerving', 'taken')) as LongPOServing;
    const found = status?.conditions?.find(({ type }) => type === 'ResourcesReconciled');
    expect([found?.status, found?.reason, found?.message]).toEqual([
      'False',
      'NameTaken',
      'Service/taken exists already and belongs to something else',
    ]);
  }, patience);
  expect((await kubectl('get', 'service', 'taken')).spec.ports[0].port).toBe(80);
});
