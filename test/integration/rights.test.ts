import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LongPOTraining, type ProgressReport, reasons } from '../../api/src/index.ts';
import type { Resource } from '../../controller/src/cluster.ts';
import { loadConnection } from '../../controller/src/kubernetes/connection.ts';
import { contentTypes } from '../../controller/src/kubernetes/repeatable.ts';
import { Transport } from '../../controller/src/kubernetes/transport.ts';
import { grantsOf, operatorRoles, roleWithout, titleOf } from '../chart/grants.ts';
import type { Rendered } from '../chart/rendered.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { isRefused, RecordedCalls } from '../operator/recorded-calls.ts';
import { type Case, quickJobsAndGuardedOwners, standInImages, World } from '../operator/world.ts';
import { until } from '../waiting.ts';

/**
 * The chart's rules are all that the operator needs, and none is spare: a scenario that makes it do everything is
 * recorded, each single grant is taken away in turn, and a recorded call is refused for want of it.
 */
const namespace = 'rights';
const trainings = `/apis/longpo.dev/v1alpha1/namespaces/${namespace}/longpotrainings`;
const servings = `/apis/longpo.dev/v1alpha1/namespaces/${namespace}/longposervings`;
const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
const core = `/api/v1/namespaces/${namespace}`;
const recorded = new RecordedCalls();
let bed: Bed;
let world: World;
let objects: Rendered[];
let opened: Case;

beforeAll(async () => {
  bed = await startBed({ images: standInImages, extra: quickJobsAndGuardedOwners });
  world = new World(bed);
  objects = await world.install();
  const leaderElection = { enabled: true, namespace: 'longpo-system' };
  opened = await world.open({
    namespace,
    hooks: recorded.hooks,
    config: { watchNamespaces: [], leaderElection },
    standIn: { workMs: 2000 },
    spec: { ttlSecondsAfterFinished: 0, stages },
  });
  await Promise.all([driveTraining(), driveStall(), driveServing()]);
  await opened.untilQuiet();
  await Promise.all(opened.operators.map((operator) => operator.kill()));
});
afterAll(async () => {
  await opened?.close();
  world?.close();
  await bed?.stop();
});

it('refuses the operator nothing that it asks for', () => {
  expect(recorded.refused).toEqual([]);
});

it('has no grant that no call needs', () => {
  const spare = grantsOf(objects).filter((grant) => recorded.of(grant) === undefined);
  expect(spare.map(titleOf)).toEqual([]);
});

it('loses a call with every grant that is taken away', async () => {
  const connection = loadConnection({ kubeconfig: world.operatorKubeconfig() });
  const api = new Transport(connection, { attempts: 1, perSecond: 10_000, burst: 10_000 });
  const wrong: string[] = [];
  for (const grant of grantsOf(objects)) {
    const call = recorded.of(grant);
    if (call === undefined) continue;
    const without = roleWithout(objects, grant);
    const whole = operatorRoles(objects).find(
      ({ kind, metadata }) => kind === without.kind && metadata.name === without.metadata.name,
    );
    await replaceRole(without);
    if (!(await comesTrue(() => isRefused(api, call, grant)))) wrong.push(`${titleOf(grant)} is not needed`);
    await replaceRole(whole ?? without);
    if (!(await comesTrue(async () => !(await isRefused(api, call, grant)))))
      wrong.push(`${titleOf(grant)} does not come back`);
  }
  api.close();
  expect(wrong).toEqual([]);
});

it('has no right to secrets, config maps, or to run anything in a pod', async () => {
  const asked = ['list pods', 'get secrets', 'list configmaps', 'create pods', 'create pods/exec'];
  const answers = await Promise.all(
    [...asked, 'impersonate users'].flatMap((question) =>
      [namespace, 'longpo-system'].map(async (where) => [
        `${question} in ${where}`,
        await may(question, where),
      ]),
    ),
  );
  // The first one shows that it is the operator who is asked about.
  const isYes = ([question]: unknown[]) => String(question).startsWith('list pods');
  expect(answers).toEqual(answers.map((answer) => [answer[0], isYes(answer)]));
});

async function may(question: string, where: string): Promise<boolean> {
  const [verb, what = ''] = question.split(' ');
  const [resource, subresource] = what.split('/');
  const account = objects.find(({ kind }) => kind === 'ServiceAccount')?.metadata.name;
  const review = (await world.api.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: `system:serviceaccount:longpo-system:${account}`,
        groups: ['system:serviceaccounts', 'system:serviceaccounts:longpo-system', 'system:authenticated'],
        resourceAttributes: { verb, resource, subresource, namespace: where },
      },
    },
  })) as { status: { allowed: boolean } };
  return review.status.allowed;
}

async function replaceRole(role: Rendered): Promise<void> {
  const { name, namespace: where } = role.metadata;
  const place = where === undefined ? 'clusterroles' : `namespaces/${where}/roles`;
  await world.api.call('PUT', `/apis/rbac.authorization.k8s.io/v1/${place}/${name}`, { body: role });
}

const stages = [{ name: 'one', contextLength: 1024, parallelism: { sequence: 3, processesPerPod: 1 } }];

/** A stage, a name that is taken, suspension, reports, another shape, an end. */
async function driveTraining(): Promise<void> {
  const foreign = await takeName('demo-one-train-a1');
  await opened.until('the name is taken', ({ status }) =>
    (status?.conditions ?? []).some(({ reason }) => reason === reasons.nameTaken),
  );
  await suspended(() => world.api.call('DELETE', foreign, { query: { propagationPolicy: 'Background' } }));
  await report();
  // Again, because an Event that is told twice is counted.
  await suspended();
  await opened.until('the stage trains', isTraining);
  const parallelism = { sequence: 2, processesPerPod: 1 };
  await patch(`${trainings}/demo`, { stages: stages.map((stage) => ({ ...stage, parallelism })) });
  // By its time to live.
  await opened.untilGone();
}

const isTraining = ({ status }: LongPOTraining) => status?.stages?.[0]?.state === 'Training';

async function suspended(meanwhile?: () => Promise<unknown>): Promise<void> {
  await patch(`${trainings}/demo`, { suspend: true });
  await opened.until('suspended', ({ status }) => status?.state === 'Suspended');
  await meanwhile?.();
  await patch(`${trainings}/demo`, { suspend: false });
  await opened.until('resumed', ({ status }) => status?.state !== 'Suspended');
}

/** Resolves with the path of somebody else's Job, which never starts. */
async function takeName(name: string): Promise<string> {
  const containers = [{ name: 'none', image: 'none' }];
  const spec = { suspend: true, template: { spec: { restartPolicy: 'Never', containers } } };
  const body = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec };
  await world.api.call('POST', jobs, { body });
  return `${jobs}/${name}`;
}

/** Two reports of one pod: for the training that it is of, and for another. */
async function report(): Promise<void> {
  const token = await until('a pod that trains', tokenOfTrainPod);
  const body: ProgressReport = {
    ...{ role: 'train', stage: 'one', attempt: 1, phase: 'train', completed: 1, total: 3, unit: 'steps' },
    reportedAt: new Date().toISOString(),
  };
  const send = (name: string) => opened.operators[0]?.report(token, { namespace, name }, body);
  expect([await send('demo'), await send('another')]).toEqual([
    { status: 204 },
    { status: 401, code: 'UNAUTHORIZED' },
  ]);
}

async function tokenOfTrainPod(): Promise<string | undefined> {
  const labelSelector = 'batch.kubernetes.io/job-name=demo-one-train-a1';
  const { items } = (await world.api.call('GET', `${core}/pods`, { query: { labelSelector } })) as {
    items: (Resource & { status: { phase: string } })[];
  };
  const pod = items.find(({ status }) => status.phase === 'Running');
  if (pod === undefined) return undefined;
  return world.tokenOf(pod);
}

/** Another training, beside the first because a stall takes its time. */
async function driveStall(): Promise<void> {
  const spec = (await opened.training())?.spec;
  const hangs = JSON.stringify({ misfortunes: [{ role: 'fetch', times: 1, hang: true }] });
  await world.api.call('POST', trainings, {
    body: {
      ...{ apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOTraining', metadata: { name: 'still' } },
      spec: {
        ...spec,
        ...{
          restarts: { stallAfterSeconds: 10 },
          podTemplate: { env: [{ name: 'STAND_IN', value: hangs }] },
        },
      },
    },
  });
  await until('another pod has fetched the model', async () => {
    const { status } = (await world.api.call('GET', `${trainings}/still`)) as LongPOTraining;
    return (status?.stages?.[0]?.state ?? 'Pending') !== 'Pending';
  });
  await world.api.call('DELETE', `${trainings}/still`);
}

async function driveServing(): Promise<void> {
  const spec = { model: { uri: 'pvc://longpo/models/small' }, replicas: 2 };
  await world.api.call('POST', servings, {
    body: { apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOServing', metadata: { name: 'two' }, spec },
  });
  await until('a budget for two replicas', async () => (await budgets()) === 1);
  await patch(`${servings}/two`, { replicas: 1 });
  await until('no budget for one replica', async () => (await budgets()) === 0);
}

async function budgets(): Promise<number> {
  const path = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
  return ((await world.api.call('GET', path)) as { items: unknown[] }).items.length;
}

const patch = (path: string, spec: object) =>
  world.api.call('PATCH', path, { body: { spec }, contentType: contentTypes.merge });

/** Roles reach the authorizer by a watch, in a moment. */
async function comesTrue(look: () => Promise<boolean>): Promise<boolean> {
  for (let n = 0; n < 500; n++) {
    if (await look()) return true;
    await sleep(10);
  }
  return false;
}
