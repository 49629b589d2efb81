/** What people change by hand on what the operator made, on a real control plane without nodes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiVersion, type LongPOServing, labels } from '../../api/src/index.ts';
import { fieldManagers, type Resource, refOf } from '../../controller/src/cluster.ts';
import { KubernetesCluster } from '../../controller/src/kubernetes/kubernetes-cluster.ts';
import { buildHeadlessService, buildRoleJob } from '../../controller/src/objects/role-job.ts';
import { buildTrainingServing } from '../../controller/src/objects/serving.ts';
import { hasDrifted } from '../../controller/src/reconcile/drift.ts';
import { ownerOf } from '../../controller/src/reconcile/observe.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { type Case, World } from '../operator/world.ts';
import { settled } from '../waiting.ts';

const namespace = 'research';
let bed: Bed;
let world: World;
let opened: Case;
let cluster: KubernetesCluster;

beforeAll(async () => {
  bed = await startBed({ nodes: 0 });
  world = new World(bed);
  await world.install();
  cluster = new KubernetesCluster({ transport: world.api, identity: 'test' });
  opened = await world.open({ namespace, spec: { suspend: true } });
});
afterAll(async () => {
  await opened?.close();
  world?.close();
  await bed?.stop();
});

type Child = Resource & { spec: { replicas?: number } };
const kubectl = (...args: string[]) => bed.kubectl('-n', namespace, ...args);
const kinds = 'deployments,services,poddisruptionbudgets,networkpolicies';

async function childrenOf(name: string): Promise<object[]> {
  const list = await kubectl('get', kinds, '-l', `${labels.serving}=${name}`, '-o', 'json');
  return (JSON.parse(list) as { items: Child[] }).items
    .map(({ kind, metadata, spec }) => ({ kind, labels: metadata.labels, spec }))
    .toSorted((a, b) => a.kind.localeCompare(b.kind));
}

/** With every field that a platform may fill, quantities and empty texts that the API server writes otherwise. */
const podTemplate: LongPOServing['spec']['podTemplate'] = {
  annotations: { team: 'research' },
  env: [
    { name: 'EMPTY', value: '' },
    { name: 'KEY', valueFrom: { secretKeyRef: { name: 'secret', key: 'key' } } },
  ],
  nodeSelector: { gpu: 'yes' },
  tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }],
  imagePullSecrets: [{ name: 'registry' }],
  capabilities: ['IPC_LOCK'],
  sharedMemory: '1024Mi',
};
const rich = { podTemplate, resources: { requests: { cpu: '1000m' }, limits: { memory: '2048Mi' } } };

const portPatch = '[{"op":"replace","path":"/spec/ports/0/port","value":9000}]';

const edits = (name: string): [what: string, command: string[]][] => [
  ['replicas', ['scale', 'deployment', name, '--replicas=5']],
  ['an image', ['set', 'image', `deployment/${name}`, 'serve=somebody/else:1']],
  ['env', ['set', 'env', `deployment/${name}`, 'EMPTY=full']],
  ['egress', ['patch', 'networkpolicy', name, '--type=merge', '-p', '{"spec":{"egress":[{}]}}']],
  ['a budget', ['patch', 'pdb', name, '--type=merge', '-p', '{"spec":{"maxUnavailable":2}}']],
  ['a port', ['patch', 'service', name, '--type=json', '-p', portPatch]],
  ['a label', ['label', 'networkpolicy', name, `${labels.role}-`]],
  ['the label of the watch', ['label', 'service', name, `${labels.managedBy}-`]],
];

describe('what a training applies', () => {
  const claimName = 'longpo';
  const make = async (): Promise<[serving: Resource, service: Resource]> => {
    const owner = ownerOf((await opened.training()) as Resource);
    const job = buildRoleJob({
      ...{ name: 'demo-one-train-a1', owner, role: 'train', stage: 'one', attempt: 1, pods: 3 },
      ...{ image: 'none', claimName, config: {}, reportUrl: 'http://nobody' },
    });
    const model = { uri: 'pvc://longpo/demo/two/checkpoint' };
    const spec = { model, storage: { claimName }, ...rich };
    return [buildTrainingServing('demo', owner, spec), buildHeadlessService(job, 29500)];
  };
  const drifted = async (desired: Resource) => {
    const live = await cluster.live.get(refOf(desired));
    return live === undefined || hasDrifted(live, desired, fieldManagers.controller);
  };

  it('is its own once it is applied; a serving may be scaled', async () => {
    const objects = await make();
    for (const object of objects) await cluster.apply(object, fieldManagers.controller);
    await kubectl('scale', 'longposerving', 'demo', '--replicas=2');
    expect(await Promise.all(objects.map(drifted))).toEqual([false, false]);
  });

  it('has drifted when somebody changes it', async () => {
    const objects = await make();
    const patch = ['--type=merge', '-p', '{"spec":{"podTemplate":{"env":[]}}}'];
    await kubectl('patch', 'longposerving', 'demo', ...patch);
    await kubectl('patch', 'service', 'demo-one-train-a1', '--type=json', '-p', portPatch);
    expect(await Promise.all(objects.map(drifted))).toEqual([true, true]);
  });
});

describe.each([
  { name: 'cpu', spec: {} },
  { name: 'gpu', spec: { engine: 'vllm', tensorParallelSize: 2, ropeTheta: 1e7, maxModelLen: 8192 } },
])('what a serving owns ($name)', ({ name, spec }) => {
  let before: object[];

  it('is left alone as it was applied, whatever the API server made of it', async () => {
    const model = { uri: 'pvc://longpo/demo/one/checkpoint' };
    const serving = { apiVersion, kind: 'LongPOServing', metadata: { name, namespace } };
    await bed.apply(JSON.stringify({ ...serving, spec: { model, replicas: 2, ...rich, ...spec } }));
    before = await settled(
      () => childrenOf(name),
      (children) => children.length === 4,
    );
    expect(before).toHaveLength(4);
    expect(await writesOfAnotherLook()).toBe(0);
  });

  it.each(edits(name))('is what it was after somebody changed it: %s', async (_, command) => {
    const written = opened.writes;
    await kubectl(...command);
    const after = await settled(
      () => childrenOf(name),
      (children) => opened.writes > written && JSON.stringify(children) === JSON.stringify(before),
    );
    expect(after).toEqual(before);
  });

  it('keeps what somebody added', async () => {
    await kubectl('label', 'service', name, 'team=research');
    await kubectl('annotate', 'deployment', name, 'team=research');
    expect(await writesOfAnotherLook()).toBe(0);
    const service = JSON.parse(await kubectl('get', 'service', name, '-o', 'json')) as Resource;
    expect(service.metadata.labels).toMatchObject({ team: 'research' });
  });

  async function writesOfAnotherLook(): Promise<number> {
    await opened.untilQuiet();
    const written = opened.writes;
    await kubectl('annotate', 'longposerving', name, `looked-at=${written}`, '--overwrite');
    await opened.untilQuiet();
    return opened.writes - written;
  }
});
