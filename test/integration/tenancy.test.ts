import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  apiVersion,
  type LongPOTrainingInput,
  labels,
  managedByLongpo,
  type ProgressReport,
} from '../../api/src/index.ts';
import type { Resource } from '../../controller/src/cluster.ts';
import { loadConnection } from '../../controller/src/kubernetes/connection.ts';
import { Transport } from '../../controller/src/kubernetes/transport.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { ApiProxy } from '../operator/api-proxy.ts';
import type { OperatorProcess } from '../operator/operator-process.ts';
import { RecordedCalls } from '../operator/recorded-calls.ts';
import { listAll, stableName } from '../operator/snapshot.ts';
import { Case, quickJobsAndGuardedOwners, standInImages, World } from '../operator/world.ts';
import { settled, until } from '../waiting.ts';

/**
 * Two teams with a namespace each and an operator that the chart gives Roles in these two alone; a third namespace is
 * not its own. All three have a training of the same name, and nothing of one reaches another.
 */
const [red, blue, green] = ['red', 'blue', 'green'] as const;
const recorded = new RecordedCalls();
let bed: Bed;
let world: World;
let proxy: ApiProxy;
let operator: OperatorProcess;
let ofRed: Case;
let ofBlue: Case;

beforeAll(async () => {
  bed = await startBed({ images: standInImages, extra: quickJobsAndGuardedOwners });
  world = new World(bed);
  await Promise.all([red, blue, green].map((name) => world.makeNamespace(name)));
  await world.install(`watchNamespaces={${red},${blue}}`);
  proxy = await ApiProxy.open(loadConnection({ kubeconfig: world.kubeconfig }), recorded.hooks);
  const config = { watchNamespaces: [red, blue], progressPeriodSeconds: 0.2 };
  operator = world.startOperator('teams', config, proxy.url);
  ofRed = new Case(world.api, red, [{ proxy, operator }]);
  ofBlue = new Case(world.api, blue, [{ proxy, operator }]);
  for (const namespace of [red, blue, green])
    await world.createTraining({ namespace, spec: { stages }, standIn: { workMs: 2000 } });
});
afterAll(async () => {
  await operator?.kill();
  await proxy?.close();
  world?.close();
  await bed?.stop();
});

const stages: LongPOTrainingInput['spec']['stages'] = [
  { name: 'one', contextLength: 1024, parallelism: { sequence: 2, processesPerPod: 1 } },
];
const report = (completed: number): ProgressReport => ({
  ...{ role: 'train', stage: 'one', attempt: 1, phase: 'train', completed, total: 9, unit: 'steps' },
  reportedAt: new Date().toISOString(),
});
const taken = { status: 204 };
const refused = { status: 401, code: 'UNAUTHORIZED' };

type Pod = Resource & {
  status?: { phase?: string; conditions?: { type: string; status: string; message?: string }[] };
};
async function podsOf(namespace: string, labelSelector: string): Promise<Pod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  return ((await world.api.call('GET', path, { query: { labelSelector } })) as { items: Pod[] }).items;
}

const trainingPod = (namespace: string): Promise<Pod> =>
  until(`a pod of ${namespace} trains`, async () =>
    (await podsOf(namespace, 'batch.kubernetes.io/job-name=demo-one-train-a1')).find(
      ({ status }) => status?.phase === 'Running',
    ),
  );

it('takes a report for a training only from a pod of its namespace, though another has one of that name', async () => {
  const tokens = await Promise.all([red, blue].map(async (where) => world.tokenOf(await trainingPod(where))));
  const [redToken = '', blueToken = ''] = tokens;
  const send = (token: string, namespace: string, completed: number) =>
    operator.report(token, { namespace, name: 'demo' }, report(completed));
  expect([
    await send(redToken, red, 3),
    await send(blueToken, red, 8),
    await send(blueToken, blue, 5),
    await send(redToken, blue, 8),
    await send(redToken, green, 8),
  ]).toEqual([taken, refused, taken, refused, refused]);
  const completed = async () =>
    (await Promise.all([ofRed.training(), ofBlue.training()])).map(
      (training) => training?.status?.stages?.[0]?.progress?.completed,
    );
  expect(await settled(completed, (values) => !values.includes(undefined))).toEqual([3, 5]);
});

it('does all its work with a Role in each of its namespaces, and asks for nothing else', async () => {
  const trainings = await Promise.all([ofRed.untilFinished(), ofBlue.untilFinished()]);
  expect(trainings.map(({ status }) => status?.state)).toEqual(['Succeeded', 'Succeeded']);
  await ofRed.untilQuiet();
  expect(recorded.refused).toEqual([]);
  // Nothing ran twice, and nobody wrote where the other did.
  expect(await ofRed.runs()).toEqual(await ofBlue.runs());
});

it('leaves a namespace alone that it is not given, where it has no right either', async () => {
  expect((await listAll(world.api, green)).map(({ kind, status }) => [kind, status])).toEqual([
    ['LongPOTraining', undefined],
  ]);
  const own = new Transport(loadConnection({ kubeconfig: world.operatorKubeconfig() }), { attempts: 1 });
  const answers = await Promise.all(
    [`/namespaces/${red}`, `/namespaces/${green}`, ''].map((place) =>
      own.call('GET', `/apis/${apiVersion}${place}/longpotrainings`).then(
        () => 200,
        (error: { status?: number }) => error.status,
      ),
    ),
  );
  own.close();
  expect(answers).toEqual([200, 403, 403]);
});

it('refuses the report of a pod in a namespace that it is not given', async () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'reporter',
      labels: { [labels.managedBy]: managedByLongpo, [labels.training]: 'demo' },
    },
    spec: { schedulingGates: [{ name: 'longpo.test/never' }], containers: [{ name: 'main', image: 'none' }] },
  };
  const made = (await world.api.call('POST', `/api/v1/namespaces/${green}/pods`, { body: pod })) as Resource;
  const token = await world.tokenOf(made);
  expect(await operator.report(token, { namespace: green, name: 'demo' }, report(8))).toEqual(refused);
});

it("finds no claim of another namespace, in a training's pods or a serving's", async () => {
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'archive' },
    spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
  };
  await world.api.call('POST', `/api/v1/namespaces/${blue}/persistentvolumeclaims`, { body: claim });
  const model = { uri: 'pvc://archive/models/small' };
  const storage = { claimName: 'archive' };
  const documents = { uri: 'pvc://archive/documents' };
  await world.createTraining({
    namespace: red,
    name: 'borrower',
    spec: { stages, model, documents, storage },
  });
  await world.api.call('POST', `/apis/${apiVersion}/namespaces/${red}/longposervings`, {
    body: { apiVersion, kind: 'LongPOServing', metadata: { name: 'reader' }, spec: { model, storage } },
  });
  const reasonOf = (labelSelector: string) =>
    until(`the scheduler has looked at ${labelSelector}`, async () => {
      const [pod] = await podsOf(red, labelSelector);
      return pod?.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
    });
  const missing = expect.stringContaining('persistentvolumeclaim "archive" not found');
  expect([await reasonOf(`${labels.training}=borrower`), await reasonOf(`${labels.serving}=reader`)]).toEqual(
    [missing, missing],
  );
});

/** One line for each object that the operator has made for `demo`. */
const childrenIn = async (namespace: string) =>
  (await listAll(world.api, namespace))
    .filter(({ metadata: { name, labels: has } }) => has?.[labels.managedBy] && /^demo\b/.test(name))
    .map(({ kind, metadata: { name, uid } }) => `${kind}/${stableName(name)} ${uid}`)
    .toSorted();
const namesOf = (lines: string[]) => lines.map((line) => line.split(' ')[0]);

it('touches nothing of trainings of that name in other namespaces when one is deleted', async () => {
  const ofOthers = async () => [await childrenIn(blue), await childrenIn(green)];
  const [blueBefore = []] = await ofOthers();
  expect([...new Set(blueBefore.map((line) => line.split('/')[0]))]).toEqual([
    'Deployment',
    'Job',
    'LongPOServing',
    'NetworkPolicy',
    'Pod',
    'Service',
  ]);
  // From here on one that works everywhere, and sees what is in all of them in one list.
  await operator.end('SIGTERM');
  await world.giveRights();
  operator = world.startOperator('whole', {}, proxy.url);
  const ofGreen = new Case(world.api, green, [{ proxy, operator }]);
  await ofGreen.untilFinished();
  await ofGreen.untilQuiet();
  const before = await ofOthers();
  expect(before).toEqual([blueBefore, expect.anything()]);
  expect(namesOf(before[1] ?? [])).toEqual(namesOf(blueBefore));
  await world.api.call('DELETE', `/apis/${apiVersion}/namespaces/${red}/longpotrainings/demo`);
  expect(
    await settled(
      () => childrenIn(red),
      (lines) => lines.length === 0,
    ),
  ).toEqual([]);
  await ofGreen.untilQuiet();
  expect(await ofOthers()).toEqual(before);
  expect(recorded.refused).toEqual([]);
});
