import { apiVersion, type LongPOTraining, labels, managedByLongpo, type ProgressReport } from '@longpo/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../controller/src/cluster.ts';
import { contentTypes } from '../../controller/src/kubernetes/repeatable.ts';
import { applyCrds } from '../cluster/crds.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import type { Answer, OperatorProcess } from '../operator/operator-process.ts';
import { World } from '../operator/world.ts';

/**
 * The operator's process, twice, with the chart's rights against a real API server without nodes: who leads, who
 * serves, how it ends.
 */
const namespace = 'research';
const core = `/api/v1/namespaces/${namespace}`;
const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
const trainings = `/apis/${apiVersion}/namespaces/${namespace}/longpotrainings`;
/** The chart allows no other. */
const lease = '/apis/coordination.k8s.io/v1/namespaces/longpo-system/leases/longpo-controller';
const operators: OperatorProcess[] = [];
let bed: Bed;
let world: World;

/** Short, so that a takeover is. */
const leaderElection = { leaseDurationSeconds: 3, renewDeadlineSeconds: 2, retryPeriodSeconds: 0.5 };

function start(identity: string, config: object = {}): OperatorProcess {
  const operator = world.startOperator(identity, {
    progressPeriodSeconds: 0.2,
    leaderElection: { ...leaderElection, identity },
    ...config,
  });
  operators.push(operator);
  return operator;
}

const create = (name: string) =>
  world.createTraining({ namespace, name, spec: { model: { uri: 'hf://org/model' }, storage: {} } });

async function holder(): Promise<string> {
  const { spec } = (await world.api.call('GET', lease)) as { spec: { holderIdentity: string } };
  return spec.holderIdentity;
}

const statusOf = async (name: string) =>
  ((await world.api.call('GET', `${trainings}/${name}`)) as LongPOTraining).status ?? {};

async function jobsOf(name: string): Promise<number> {
  const query = { labelSelector: `${labels.training}=${name}` };
  return ((await world.api.call('GET', jobs, { query })) as { items: unknown[] }).items.length;
}

/** What a pod of the training finds in its projected volume; there is no node to run it. */
async function tokenOf(training: string, audience?: string): Promise<string> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${training}-`,
      labels: { [labels.managedBy]: managedByLongpo, [labels.training]: training },
    },
    spec: { containers: [{ name: 'main', image: 'none' }] },
  };
  return world.tokenOf((await world.api.call('POST', `${core}/pods`, { body: pod })) as Resource, audience);
}

const makeReport = (completed: number): ProgressReport => ({
  ...{ role: 'fetch', stage: '', attempt: 1, phase: 'fetch', unit: 'bytes' },
  ...{ completed, total: 10, reportedAt: new Date().toISOString() },
});

const report = (operator: OperatorProcess, name: string, token: string, completed: number): Promise<Answer> =>
  operator.report(token, { namespace, name }, makeReport(completed));
const taken = { status: 204 };
const refused = { status: 401, code: 'UNAUTHORIZED' };

const completedOf = async (name: string) => (await statusOf(name)).fetchProgress?.completed;
const wait = { timeout: 60_000, interval: 50 };

beforeAll(async () => {
  bed = await startBed({ nodes: 0 });
  world = new World(bed);
  await world.makeNamespace(namespace);
  await world.giveRights();
});

afterEach(async () => {
  // With the lease given away the next one need not wait for its end.
  await Promise.all(operators.splice(0).map((operator) => operator.end('SIGTERM')));
});

afterAll(async () => {
  world?.close();
  await bed?.stop();
});

describe('the operator process', () => {
  it('waits for kinds that are installed beside it, and is alive but not ready meanwhile', async () => {
    const operator = start('early');
    const answers = async () => [await operator.statusOf('/readyz'), await operator.statusOf('/healthz')];
    expect(await answers()).toEqual([503, 200]);
    await applyCrds(bed);
    await operator.logged('leads');
    expect(await answers()).toEqual([200, 200]);
  });

  it('leads once: the follower serves progress and metrics, and takes over when the leader is killed', async () => {
    const leader = start('one');
    await leader.logged('leads');
    const follower = start('two');
    await follower.logged('synced');
    await create('first');
    await expect.poll(() => jobsOf('first'), wait).toBe(1);
    expect(await leader.logged('created')).toEqual({
      ...{ ts: expect.any(String), level: 'info', msg: 'created', identity: expect.stringMatching(/^one-/) },
      ...{ kind: 'LongPOTraining', namespace, name: 'first', reconcile: expect.any(Number), generation: 1 },
      child: expect.stringMatching(/^Job\/first-/),
    });
    const token = await tokenOf('first');
    expect(await report(follower, 'first', token, 4)).toEqual(taken);
    await expect.poll(() => completedOf('first'), wait).toBe(4);
    const scrapes = [await leader.metrics(), await follower.metrics()];
    expect(
      scrapes.map((samples) => ({
        leader: samples.get('longpo_leader'),
        accepted: samples.get('longpo_progress_reports_total{outcome="accepted"}'),
        cached: samples.get('longpo_watch_cached_objects{kind="LongPOTraining"}'),
        hasReconciled: samples.has('longpo_reconciles_total{kind="LongPOTraining",result="success"}'),
      })),
    ).toEqual([
      { leader: 1, accepted: undefined, cached: 1, hasReconciled: true },
      { leader: 0, accepted: 1, cached: 1, hasReconciled: false },
    ]);

    await leader.kill();
    await follower.logged('leads');
    await create('second');
    await expect.poll(() => jobsOf('second'), wait).toBe(1);
    expect(await jobsOf('first')).toBe(1);
    expect((await follower.metrics()).get('longpo_leader')).toBe(1);
  });

  it('takes a report only with a token of a pod of that training, made for reports', async () => {
    const operator = start('three');
    await operator.logged('leads');
    await create('third');
    await create('fourth');
    const [own, ofAnother] = [await tokenOf('third'), await tokenOf('fourth')];
    const forOthers = await tokenOf('third', 'https://kubernetes.default.svc');
    const answers = [own, ofAnother, forOthers, 'no.such.token'].map((token) =>
      report(operator, 'third', token, 1),
    );
    expect(await Promise.all(answers)).toEqual([taken, refused, refused, refused]);
    expect(operator.output).not.toContain(own);
  });

  it('writes what it holds back, gives the lease away and exits with 0 on SIGTERM', async () => {
    const operator = start('four', { progressPeriodSeconds: 3600 });
    await operator.logged('leads');
    await create('fifth');
    await expect.poll(() => jobsOf('fifth'), wait).toBe(1);
    expect(await report(operator, 'fifth', await tokenOf('fifth'), 7)).toEqual(taken);
    expect(await completedOf('fifth')).toBeUndefined();
    expect(await operator.end('SIGTERM')).toBe(0);
    expect([await completedOf('fifth'), await holder()]).toEqual([7, '']);
  });

  it('exits with 1 at once when another holds its lease', async () => {
    const operator = start('five');
    await operator.logged('leads');
    const body = { spec: { holderIdentity: 'thief', leaseDurationSeconds: 1 } };
    await world.api.call('PATCH', lease, { body, contentType: contentTypes.merge });
    expect(await operator.ended).toBe(1);
    expect(operator.messages().at(-1)).toBe('lease lost');
  });
});
