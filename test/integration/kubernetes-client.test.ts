/** The client's files against a real API server, without nodes. */
import { readFileSync } from 'node:fs';
import { apiVersion, kinds, labels, managedByLongpo, tokenAudience } from '@longpo/api';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import {
  isReason,
  jobs,
  pods,
  type Resource,
  refOf,
  services,
  type WatchEvent,
} from '../../controller/src/cluster.ts';
import { isAlreadyExists } from '../../controller/src/kubernetes/api-error.ts';
import { loadConnection } from '../../controller/src/kubernetes/connection.ts';
import { KubernetesCluster } from '../../controller/src/kubernetes/kubernetes-cluster.ts';
import { LeaderElection } from '../../controller/src/kubernetes/lease.ts';
import { Reflector } from '../../controller/src/kubernetes/reflector.ts';
import { verifyByTokenReview } from '../../controller/src/kubernetes/token-review.ts';
import { Transport } from '../../controller/src/kubernetes/transport.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';

let bed: Bed;
let transport: Transport;
let cluster: KubernetesCluster;
const errors: unknown[] = [];

const read = (path: string) => parse(readFileSync(path, 'utf8'));
const post = (path: string, body: object) => transport.call('POST', path, { body });

/** Kinds, and the account of a namespace, take a moment to be served. */
const answered = (path: string) =>
  vi.waitFor(() => transport.call('GET', path), { timeout: 60_000, interval: 100 });

beforeAll(async () => {
  bed = await startBed({ nodes: 0 });
  transport = new Transport(loadConnection({ kubeconfig: bed.kubeconfig }), { perSecond: 500, burst: 500 });
  cluster = new KubernetesCluster({
    transport,
    identity: 'test-1',
    onError: (error) => errors.push(error),
  });
  for (const { plural } of Object.values(kinds))
    await post(
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      read(`manifests/crds/${plural}.longpo.dev.yaml`),
    );
  for (const name of ['a', 'b'])
    await post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await answered(`/apis/${apiVersion}/longpotrainings`);
  for (const name of ['a', 'b']) await answered(`/api/v1/namespaces/${name}/serviceaccounts/default`);
});

afterAll(async () => {
  cluster?.stop();
  transport?.close();
  await bed?.stop();
});

const managed = { [labels.managedBy]: managedByLongpo };

function jobNamed(name: string, more: Record<string, string> = managed, namespace = 'a') {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name, labels: more },
    spec: {
      suspend: true,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none' }] } },
    },
  };
}

function podNamed(name: string, training: string, namespace = 'a') {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { ...managed, [labels.training]: training } },
    spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none' }] },
  };
}

const trainingNamed = (name: string): Resource & { spec: object } => {
  const sample = read('test/fixtures/valid/minimal.yaml');
  return { ...sample, metadata: { name, namespace: 'a' } };
};

describe('the cluster', () => {
  it('tells of managed children only, once for each subscriber, and reads them from what it has seen', async () => {
    await cluster.create(jobNamed('seen-1'), 'test');
    await cluster.create(jobNamed('of-somebody', {}), 'test');
    const told: string[][] = [[], []];
    const tell =
      (index: number) =>
      ({ type, object }: WatchEvent) =>
        told[index]?.push(`${type} ${object.metadata.name}`);
    const ends = [await cluster.watch(jobs, tell(0)), await cluster.watch(jobs, tell(1))];
    expect(told).toEqual([['ADDED seen-1'], ['ADDED seen-1']]);
    await cluster.create(jobNamed('seen-2', { ...managed, [labels.training]: 't' }), 'test');
    await cluster.merge(
      { ...jobs, namespace: 'a', name: 'seen-1' },
      { metadata: { annotations: { x: 'y' } } },
    );
    await expect
      .poll(() => cluster.get({ ...jobs, namespace: 'a', name: 'seen-1' }))
      .toMatchObject({
        kind: 'Job',
        apiVersion: 'batch/v1',
        metadata: { annotations: { x: 'y' } },
      });
    await expect.poll(() => told[0]).toContain('ADDED seen-2');
    expect(await cluster.get({ ...jobs, namespace: 'a', name: 'of-somebody' })).toBeUndefined();
    expect(await cluster.live.get({ ...jobs, namespace: 'a', name: 'of-somebody' })).toBeDefined();
    const selected = { [labels.training]: 't' };
    for (const reader of [cluster, cluster.live])
      expect((await reader.list(jobs, 'a', selected)).map(({ metadata }) => metadata.name)).toEqual([
        'seen-2',
      ]);
    expect(told[0]).toEqual(told[1]);
    for (const end of ends) end();
  });

  it('creates once', async () => {
    await cluster.create(jobNamed('once'), 'test');
    const error = await cluster.create(jobNamed('once'), 'test').catch((e: unknown) => e);
    expect([isReason(error, 'AlreadyExists'), isAlreadyExists(error)]).toEqual([true, true]);
  });

  it('applies with its fields, over those of others', async () => {
    const service = (publishNotReadyAddresses: boolean) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'a', name: 'applied', labels: managed },
      spec: { clusterIP: 'None', publishNotReadyAddresses },
    });
    await cluster.apply(service(true), 'test');
    const ref = refOf(service(true));
    await cluster.merge(ref, { spec: { publishNotReadyAddresses: false } });
    await cluster.apply(service(true), 'test');
    expect(await cluster.live.get(ref)).toMatchObject({
      spec: { clusterIP: 'None', publishNotReadyAddresses: true },
    });
  });

  it('writes only what is still what it was', async () => {
    const ref = { ...services, namespace: 'a', name: 'guarded' };
    await cluster.create(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'a', name: 'guarded', finalizers: ['longpo.dev/test'] },
        spec: { clusterIP: 'None' },
      } as Resource,
      'test',
    );
    const { uid, resourceVersion } = (await cluster.live.get(ref))?.metadata ?? {};
    const another = '11111111-2222-3333-4444-555555555555';
    const patch = { spec: { publishNotReadyAddresses: true } };
    const refused = [
      () => cluster.merge(ref, patch, { uid: another }),
      () => cluster.merge(ref, patch, { resourceVersion: '1' }),
      () => cluster.remove(ref, { uid: another }),
      () => cluster.remove(ref, { resourceVersion: '1' }),
    ];
    for (const write of refused) {
      const error = await write().catch((e: unknown) => e);
      expect([error, isReason(error, 'Conflict')]).toEqual([error, true]);
    }
    expect((await cluster.live.get(ref))?.metadata).toMatchObject({ uid, resourceVersion });
    await cluster.merge(ref, patch, { uid: uid ?? '', resourceVersion: resourceVersion ?? '' });
    await cluster.remove(ref, { uid: uid ?? '' });
    expect(await cluster.live.get(ref)).toMatchObject({
      metadata: {
        uid,
        deletionTimestamp: expect.any(String),
        finalizers: expect.arrayContaining(['foregroundDeletion']),
      },
      spec: { publishNotReadyAddresses: true },
    });
    await cluster.merge(ref, { metadata: { finalizers: null } });
  });

  it('does not mind what is missing', async () => {
    const ref = { ...jobs, namespace: 'a', name: 'missing' };
    await cluster.merge(ref, { spec: { parallelism: 3 } });
    await cluster.remove(ref, { uid: 'any' });
    await cluster.patchStatus(
      { apiVersion, kind: kinds.training.kind, namespace: 'a', name: 'missing' },
      {},
      'test',
    );
    expect(await cluster.live.get(ref)).toBeUndefined();
  });

  it('keeps the status fields of other managers', async () => {
    const training = trainingNamed('status');
    await cluster.create(training, 'test');
    const ref = refOf(training);
    const condition = (type: string) => ({
      conditions: [
        {
          type,
          status: 'True',
          reason: 'Test',
          message: 'm',
          observedGeneration: 1,
          lastTransitionTime: '2026-11-24T12:00:00Z',
        },
      ],
    });
    await cluster.patchStatus(ref, condition('Succeeded'), 'one');
    await cluster.patchStatus(ref, condition('Progressing'), 'two');
    const { metadata, status } = (await cluster.live.get(ref)) as Resource & {
      status: { conditions: { type: string }[] };
    };
    expect(status.conditions.map(({ type }) => type).toSorted()).toEqual(['Progressing', 'Succeeded']);
    const { uid = '', resourceVersion = '' } = metadata;
    await cluster.patchStatus(ref, { ...condition('Succeeded'), observedGeneration: 1 }, 'one', {
      uid,
      resourceVersion,
    });
    await cluster.patchStatus(ref, condition('Progressing'), 'two', { uid });
    for (const preconditions of [{ uid: '11111111-2222-3333-4444-555555555555' }, { resourceVersion }]) {
      const error = await cluster.patchStatus(ref, {}, 'one', preconditions).catch((e: unknown) => e);
      expect([error, isReason(error, 'Conflict')]).toEqual([error, true]);
    }
  });

  it('counts an Event that is recorded again, also by another replica', async () => {
    const training = trainingNamed('events');
    await cluster.create(training, 'test');
    const about = (await cluster.live.get(refOf(training))) ?? training;
    const event = { type: 'Warning', reason: 'Tested', message: 'm'.repeat(3000) } as const;
    const other = new KubernetesCluster({ transport, identity: 'test-2', onError: (e) => errors.push(e) });
    await cluster.record(about, event);
    await cluster.record(about, event);
    await cluster.record(about, event);
    await other.record(about, event);
    const { items } = (await transport.call('GET', '/apis/events.k8s.io/v1/namespaces/a/events')) as {
      items: { reason: string; note: string; series?: { count: number }; regarding: { name: string } }[];
    };
    const own = items.filter(({ reason }) => reason === 'Tested');
    expect(own.map(({ note, regarding }) => [note.length, regarding.name])).toEqual([[1024, 'events']]);
    expect(own[0]?.series?.count).toBeGreaterThanOrEqual(2);
    expect(errors).toEqual([]);
  });
});

describe('a reflector', () => {
  it('is whole over pages, follows, and comes back after the API server was away', async () => {
    const path = '/api/v1/namespaces/b/configmaps';
    const put = (name: string) =>
      post(path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { set: 'many' } } });
    await Promise.all(Array.from({ length: 25 }, (_, i) => put(`n${i}`)));
    const events: string[] = [];
    const reflector = new Reflector({
      transport,
      path,
      query: { labelSelector: 'set=many' },
      pageSize: 10,
      backoff: { baseMs: 100, maxMs: 500 },
      onEvent: ({ type, object }) => events.push(`${type} ${object.metadata.name}`),
    });
    await reflector.start();
    expect(reflector.list()).toHaveLength(25);
    await put('n25');
    await transport.call('DELETE', `${path}/n3`);
    await expect.poll(() => events.slice(25)).toEqual(['ADDED n25', 'DELETED n3']);
    await bed.component('kube-apiserver').stop();
    await bed.component('kube-apiserver').start();
    await vi.waitFor(() => put('n26'), { timeout: 30_000 });
    await transport.call('DELETE', `${path}/n4`);
    await expect.poll(() => events.slice(27), { timeout: 30_000 }).toEqual(['ADDED n26', 'DELETED n4']);
    expect(reflector.list()).toHaveLength(25);
    reflector.stop();
  });
});

describe('an election', () => {
  const candidate = (identity: string, lost: string[]) =>
    new LeaderElection({
      transport,
      namespace: 'a',
      name: 'longpo-controller',
      identity,
      durationMs: 3000,
      renewDeadlineMs: 2000,
      retryMs: 200,
      onLost: () => lost.push(identity),
    });

  it('has one leader, and the next at once when it is given back', async () => {
    const lost: string[] = [];
    const [first, second] = [candidate('one', lost), candidate('two', lost)];
    await first.start();
    let secondLeads = false;
    const next = second.start().then(() => {
      secondLeads = true;
    });
    await expect.poll(() => second.holder).toBe('one');
    expect([first.isLeader, second.isLeader, secondLeads]).toEqual([true, false, false]);
    await first.stop();
    await next;
    expect([first.isLeader, second.isLeader, lost]).toEqual([false, true, []]);
    expect(
      await cluster.live.get({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        namespace: 'a',
        name: 'longpo-controller',
      }),
    ).toMatchObject({
      spec: { holderIdentity: 'two', leaseTransitions: 1, leaseDurationSeconds: 3 },
    });
    await second.stop();
  });
});

describe('a token', () => {
  const tokenFor = async (namespace: string, pod: Resource | undefined, audience: string = tokenAudience) => {
    const answer = await post(`/api/v1/namespaces/${namespace}/serviceaccounts/default/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: [audience],
        expirationSeconds: 600,
        ...(pod && {
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid },
        }),
      },
    });
    return (answer as { status: { token: string } }).status.token;
  };

  it('reports for the training of its pod only', async () => {
    const make = async (namespace: string) => {
      await cluster.create(podNamed('rank-0', 'demo', namespace), 'test');
      return cluster.live.get({ ...pods, namespace, name: 'rank-0' });
    };
    const [pod, foreign] = [await make('a'), await make('b')];
    const verify = verifyByTokenReview({ transport, cluster });
    const own = await tokenFor('a', pod);
    expect(await verify(own, 'a', 'demo')).toBe(pod?.metadata.uid);
    expect(await verify(own, 'a', 'other')).toBeUndefined();
    expect(await verify(own, 'b', 'demo')).toBeUndefined();
    expect(await verify(await tokenFor('b', foreign), 'a', 'demo')).toBeUndefined();
    expect(await verify(await tokenFor('a', undefined), 'a', 'demo')).toBeUndefined();
    expect(
      await verify(await tokenFor('a', pod, 'https://kubernetes.default.svc'), 'a', 'demo'),
    ).toBeUndefined();
    expect(await verify(`${own.slice(0, -8)}AAAAAAAA`, 'a', 'demo')).toBeUndefined();
    await cluster.remove({ ...pods, namespace: 'a', name: 'rank-0' });
    await expect
      .poll(() => cluster.live.get({ ...pods, namespace: 'a', name: 'rank-0' }), { timeout: 60_000 })
      .toBeUndefined();
    expect(await verify(own, 'a', 'demo')).toBeUndefined();
  });
});
