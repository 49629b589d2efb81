import { afterEach, describe, expect, it } from 'vitest';
import { isReason, jobs, pods, type Resource, type WatchEvent } from '../cluster.ts';
import { type Answer, json, type Received, refuse, Wire } from './fixture/wire.ts';
import { KubernetesCluster } from './kubernetes-cluster.ts';

const wires: Wire[] = [];
const clusters: KubernetesCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) cluster.stop();
  await Promise.all(wires.splice(0).map((wire) => wire.stop()));
});

/** A cluster whose calls are answered by the first rule that fits; watches stay silent. */
async function clusterOf(rules: Record<string, Answer>) {
  const errors: unknown[] = [];
  const wire = await Wire.start((request, response) => {
    if (request.query.watch === 'true') return response.flushHeaders();
    const rule = Object.keys(rules).find((key) => `${request.method} ${request.path}`.endsWith(key));
    if (rule === undefined) return refuse(response, 404, 'NotFound');
    return rules[rule]?.(request, response);
  });
  wires.push(wire);
  const transport = wire.transport();
  const cluster = new KubernetesCluster({
    transport,
    identity: 'one',
    onError: (error) => errors.push(error),
  });
  clusters.push(cluster);
  const calls = () => wire.received.map(({ method, path }) => `${method} ${path}`);
  return { cluster, wire, errors, calls };
}

const job = (name: string, more: object = {}): Resource => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { namespace: 'a', name, uid: `uid-${name}`, resourceVersion: '7', ...more },
});
const listOf =
  (...items: Resource[]): Answer =>
  (_, response) =>
    json(response, 200, {
      apiVersion: 'batch/v1',
      kind: 'JobList',
      metadata: { resourceVersion: '9' },
      items,
    });
const ref = (name: string) => ({ ...jobs, namespace: 'a', name });

describe('watches', () => {
  it('share one list, selected by who manages the children', async () => {
    const { cluster, wire } = await clusterOf({ 'GET /apis/batch/v1/jobs': listOf(job('x'), job('y')) });
    const told: string[] = [];
    const tell = (who: string) => (event: WatchEvent) =>
      void told.push(`${who} ${event.type} ${event.object.metadata.name}`);
    await Promise.all([cluster.watch(jobs, tell('1')), cluster.watch(jobs, tell('2'))]);
    await cluster.watch(jobs, tell('3'));
    expect(told.toSorted()).toEqual(['1', '2', '3'].flatMap((who) => [`${who} ADDED x`, `${who} ADDED y`]));
    const lists = wire.received.filter(({ query }) => query.watch === undefined);
    expect(lists.map(({ query }) => query)).toEqual([
      { labelSelector: 'app.kubernetes.io/managed-by=longpo-controller', limit: '500' },
    ]);
  });

  it('of own kinds see all of them', async () => {
    const { cluster, wire } = await clusterOf({ 'GET /apis/longpo.dev/v1alpha1/longpotrainings': listOf() });
    await cluster.watch({ apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOTraining' }, () => undefined);
    expect(wire.received[0]?.query).toEqual({ limit: '500' });
  });

  it('tell the next of an event that one could not bear', async () => {
    const { cluster, errors } = await clusterOf({ 'GET /apis/batch/v1/jobs': listOf(job('x')) });
    const told: string[] = [];
    await Promise.all([
      cluster.watch(jobs, () => {
        throw new Error('a bug');
      }),
      cluster.watch(jobs, ({ object }) => void told.push(object.metadata.name)),
    ]);
    expect([told, errors]).toEqual([['x'], [new Error('a bug')]]);
  });

  it('end with the last who watches, and begin anew', async () => {
    const { cluster, wire } = await clusterOf({ 'GET /apis/batch/v1/jobs': listOf(job('x')) });
    const ends = [await cluster.watch(jobs, () => undefined), await cluster.watch(jobs, () => undefined)];
    await expect.poll(() => wire.openWatches).toBe(1);
    ends[0]?.();
    expect(await cluster.get(ref('x'))).toMatchObject({ kind: 'Job' });
    ends[1]?.();
    await expect.poll(() => wire.openWatches).toBe(0);
    await cluster.watch(jobs, () => undefined);
    await expect.poll(() => wire.openWatches).toBe(1);
  });

  it('keep of a pod what decisions are made from', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'a', name: 'p', labels: { l: '1' } },
      spec: {
        nodeName: 'node-1',
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [{ name: 'main', image: 'i', command: ['long'], env: [{ name: 'E', value: 'v' }] }],
      },
      status: {
        phase: 'Failed',
        hostIP: '10.0.0.1',
        conditions: [{ type: 'DisruptionTarget', status: 'True' }],
        containerStatuses: [{ name: 'main', state: { terminated: { exitCode: 2, message: 'm' } } }],
      },
    };
    const { cluster } = await clusterOf({ 'GET /api/v1/pods': listOf(pod as unknown as Resource) });
    await cluster.watch(pods, () => undefined);
    expect(await cluster.get({ ...pods, namespace: 'a', name: 'p' })).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: pod.metadata,
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'i' }] },
      status: {
        phase: 'Failed',
        conditions: pod.status.conditions,
        containerStatuses: pod.status.containerStatuses,
      },
    });
  });
});

describe('reads', () => {
  it('ask the server for a kind that is not watched, and on every live read', async () => {
    const { cluster, calls } = await clusterOf({
      'GET /apis/batch/v1/namespaces/a/jobs/x': (_, response) => json(response, 200, job('x')),
      'GET /apis/batch/v1/namespaces/a/jobs': listOf(job('x')),
      'GET /apis/batch/v1/jobs': listOf(),
    });
    expect(await cluster.get(ref('x'))).toEqual(job('x'));
    await cluster.watch(jobs, () => undefined);
    expect([await cluster.get(ref('x')), await cluster.list(jobs, 'a')]).toEqual([undefined, []]);
    expect(await cluster.live.get(ref('x'))).toEqual(job('x'));
    expect(await cluster.live.list(jobs, 'a', { one: '1', two: '2' })).toEqual([job('x')]);
    expect(await cluster.live.get(ref('missing'))).toBeUndefined();
    expect(calls().filter((call) => call.endsWith('/jobs/x'))).toHaveLength(2);
  });

  it('do not take a failure for absence', async () => {
    const { cluster } = await clusterOf({
      '/jobs/x': (_, response) => refuse(response, 403, 'Forbidden'),
    });
    await expect(cluster.live.get(ref('x'))).rejects.toMatchObject({ reason: 'Forbidden' });
  });
});

describe('the status of an object with a given uid', () => {
  const conflict: Answer = (_, response) => refuse(response, 409, 'Conflict');
  const fine: Answer = (_, response) => json(response, 200, {});
  const versions = (received: Received[]) =>
    received
      .filter(({ method }) => method === 'PATCH')
      .map(({ body }) => (body as Resource).metadata.resourceVersion);

  it('is written with the newest version, read again when another writer was first', async () => {
    let version = 7;
    let refusals = 2;
    const { cluster, wire } = await clusterOf({
      'GET /apis/batch/v1/namespaces/a/jobs/x': (_, response) =>
        json(response, 200, job('x', { resourceVersion: String(version++) })),
      '/jobs/x/status': (request, response) => (refusals-- > 0 ? conflict : fine)(request, response),
    });
    await cluster.patchStatus(ref('x'), { phase: 'p' }, 'longpo-progress', { uid: 'uid-x' });
    expect(versions(wire.received)).toEqual(['7', '8', '9']);
  });

  it('is not written to a successor, even one that comes between', async () => {
    let uid = 'uid-x';
    const { cluster, wire } = await clusterOf({
      'GET /apis/batch/v1/namespaces/a/jobs/x': (_, response) => json(response, 200, job('x', { uid })),
      '/jobs/x/status': (request, response) => {
        uid = 'uid-of-the-next';
        return conflict(request, response);
      },
    });
    const error = await cluster.patchStatus(ref('x'), {}, 'm', { uid: 'uid-x' }).catch((e: unknown) => e);
    expect(isReason(error, 'Conflict')).toBe(true);
    expect(versions(wire.received)).toEqual(['7']);
  });

  it('does not mind that the object is gone, but asks the server before it believes its copy', async () => {
    let exists = true;
    const { cluster, wire } = await clusterOf({
      'GET /apis/batch/v1/jobs': listOf(),
      'GET /apis/batch/v1/namespaces/a/jobs/x': (_, response) =>
        exists ? json(response, 200, job('x')) : refuse(response, 404, 'NotFound'),
      '/jobs/x/status': fine,
    });
    await cluster.watch(jobs, () => undefined);
    await cluster.patchStatus(ref('x'), {}, 'm', { uid: 'uid-x' });
    exists = false;
    await cluster.patchStatus(ref('x'), {}, 'm', { uid: 'uid-x' });
    expect(versions(wire.received)).toEqual(['7']);
  });
});

describe('an Event', () => {
  const event = { type: 'Normal', reason: 'Started', message: 'stage one' } as const;

  it('is made once, then counted, and made again when the server has forgotten it', async () => {
    let known = false;
    const { cluster, wire, errors } = await clusterOf({
      'POST /apis/events.k8s.io/v1/namespaces/a/events': (_, response) => {
        known = true;
        json(response, 201, {});
      },
      '': (_, response) => (known ? json(response, 200, {}) : refuse(response, 404, 'NotFound')),
    });
    for (let i = 0; i < 3; i++) await cluster.record(job('x'), event);
    known = false;
    await cluster.record(job('x'), event);
    await cluster.record(job('x'), { ...event, message: 'stage two' });
    const series = wire.received.map(({ method, body }) => [
      method,
      (body as { series?: { count: number } }).series?.count,
    ]);
    expect(series).toEqual([
      ['POST', undefined],
      ['PATCH', 2],
      ['PATCH', 3],
      ['PATCH', 4],
      ['POST', undefined],
      ['POST', undefined],
    ]);
    expect(errors).toEqual([]);
    const names = wire.received
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => (body as Resource).metadata.name);
    expect(new Set(names).size).toBe(2);
  });

  it('is never worth failing for', async () => {
    const { cluster, errors } = await clusterOf({ '': (_, response) => refuse(response, 403, 'Forbidden') });
    await cluster.record(job('x'), event);
    expect(errors).toMatchObject([{ reason: 'Forbidden' }]);
  });
});
