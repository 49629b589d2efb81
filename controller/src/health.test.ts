import { describe, expect, it } from 'vitest';
import { createStatusServer, Health } from './health.ts';
import { createMetrics } from './metrics/metrics.ts';
import { WorkQueue } from './watch/work-queue.ts';

function makeServer(stuckAfterMs = 600_000) {
  const clock = { ms: 0 };
  const health = new Health({ stuckAfterMs, nowMs: () => clock.ms });
  const app = createStatusServer(health, createMetrics({ isLeader: () => true }));
  const get = async (path: string) => {
    const response = await app.request(path);
    return [response.status, await response.text()];
  };
  return { app, clock, get, health };
}

describe('the status server', () => {
  it('is well while nothing is wrong', async () => {
    const { get } = makeServer();
    expect([await get('/healthz'), await get('/readyz')]).toEqual([
      [200, 'ok\n'],
      [200, 'ok\n'],
    ]);
  });

  it('is not ready before it knows the cluster, and well all the same', async () => {
    const { get, health } = makeServer();
    const arrived = ['the list of Job', 'the list of Pod'].map((what) => health.awaits(what));
    expect([await get('/readyz'), await get('/healthz')]).toEqual([
      [503, 'waits for the list of Job\nwaits for the list of Pod\n'],
      [200, 'ok\n'],
    ]);
    for (const done of arrived) done();
    expect(await get('/readyz')).toEqual([200, 'ok\n']);
  });

  it('is not well when a reconcile does not end', async () => {
    const { get, health } = makeServer(-1);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const queue = new WorkQueue({ work: () => promise, onError: () => undefined });
    health.shows('LongPOTraining', queue);
    queue.add('a');
    await new Promise(setImmediate);
    expect(await get('/healthz')).toEqual([
      503,
      'a reconcile of LongPOTraining has run for more than -0.001 s\n',
    ]);
    resolve(undefined);
    await queue.stop();
  });

  it('is not well when the event loop stands still', async () => {
    const { clock, get, health } = makeServer();
    clock.ms = 31_000;
    expect(await get('/healthz')).toEqual([503, 'the event loop stood still for 30 s\n']);
    health.beat();
    expect(await get('/healthz')).toEqual([200, 'ok\n']);
  });

  it('serves the metrics in the exposition format', async () => {
    const response = await makeServer().app.request('/metrics');
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    expect(await response.text()).toContain('\nlongpo_leader 1\n');
  });
});
