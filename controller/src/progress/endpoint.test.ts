import { apiVersion, type ProgressReport, volumeMountPath } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { MemoryCluster } from '../fixture/memory-cluster.ts';
import { createLogger } from '../logger.ts';
import { createProgressEndpoint } from './endpoint.ts';
import { ProgressStore } from './store.ts';

const url = `/apis/${apiVersion}/namespaces/research/longpotrainings/demo/progress`;
const report: ProgressReport = {
  role: 'train',
  stage: 'one',
  attempt: 1,
  phase: 'train',
  completed: 1,
  total: 3,
  unit: 'steps',
  metrics: { loss: 1.5 },
  reportedAt: '2026-11-24T12:00:00Z',
};

function makeEndpoint() {
  const world = new MemoryCluster();
  world.put({
    apiVersion,
    kind: 'LongPOTraining',
    metadata: { name: 'demo', namespace: 'research' },
    status: { stages: [{ name: 'one' }] },
  });
  const logger = createLogger(() => undefined);
  const store = new ProgressStore({ cluster: world.facade(), logger, periodMs: 60_000 });
  const asked: string[] = [];
  const app = createProgressEndpoint(store, async (token, namespace, name) => {
    asked.push(`${token} ${namespace}/${name}`);
    return token === 'good';
  });
  const post = async (body: string, headers: Record<string, string> = { authorization: 'Bearer good' }) => {
    const response = await app.request(url, { method: 'POST', body, headers });
    await store.flush();
    return { status: response.status, body: response.status === 204 ? undefined : await response.json() };
  };
  return { app, asked, post, world };
}

const refused = (code: string, message: unknown) => ({ error: { code, message } });
const unauthorized = refused('UNAUTHORIZED', 'the bearer token may not report for research/demo');

describe('the progress endpoint', () => {
  it('takes a report with a good token, asking whether it is good for that training', async () => {
    const { asked, post, world } = makeEndpoint();
    expect(await post(JSON.stringify(report))).toEqual({ status: 204, body: undefined });
    expect(asked).toEqual(['good research/demo']);
    expect(world.list('LongPOTraining')[0]?.status).toEqual({ stages: [{ name: 'one', progress: report }] });
  });

  it.each<[name: string, headers: Record<string, string>]>([
    ['a bad token', { authorization: 'Bearer bad' }],
    ['no token', {}],
    ['another scheme', { authorization: 'Basic good' }],
  ])('refuses %s', async (_, headers) => {
    const { post, world } = makeEndpoint();
    expect(await post(JSON.stringify(report), headers)).toEqual({ status: 401, body: unauthorized });
    expect(world.writes).toEqual([]);
  });

  it.each<[name: string, body: string, message: unknown]>([
    ['text', 'loss 1.5', expect.stringMatching(/^body: /)],
    ['a negative count', JSON.stringify({ ...report, completed: -1 }), expect.stringMatching(/^completed: /)],
    [
      'an unknown field',
      JSON.stringify({ ...report, path: volumeMountPath }),
      expect.stringContaining('path'),
    ],
    [
      'a metric that is no number',
      JSON.stringify({ ...report, metrics: { loss: 'NaN' } }),
      expect.stringMatching(/^metrics\.loss: /),
    ],
  ])('refuses %s and names the field', async (_, body, message) => {
    const { post, world } = makeEndpoint();
    expect(await post(body)).toEqual({ status: 400, body: refused('REPORT_INVALID', message) });
    expect(world.writes).toEqual([]);
  });

  it('refuses what is too large before it looks at the token', async () => {
    const { asked, post } = makeEndpoint();
    const metrics = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`metric-${i}`, i]));
    expect(await post(JSON.stringify({ ...report, metrics }))).toEqual({
      status: 413,
      body: refused('BODY_TOO_LARGE', 'a progress report has at most 65536 bytes'),
    });
    expect(asked).toEqual([]);
  });

  it('says that it is there', async () => {
    const response = await makeEndpoint().app.request('/healthz');
    expect([response.status, await response.text()]).toEqual([200, 'ok']);
  });
});
