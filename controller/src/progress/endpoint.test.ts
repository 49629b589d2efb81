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
  const logged: string[] = [];
  const logger = createLogger((line) => logged.push(JSON.parse(line).msg));
  const now = () => new Date('2026-11-24T12:00:05.000Z');
  const store = new ProgressStore({ cluster: world.facade(), logger, periodMs: 60_000, now });
  const asked: string[] = [];
  const outcomes: string[] = [];
  const app = createProgressEndpoint(
    store,
    async (token, namespace, name) => {
      asked.push(`${token} ${namespace}/${name}`);
      if (token === 'unknowable') throw new Error('the API server is away');
      return token.startsWith('good') ? `pod of ${token}` : undefined;
    },
    { logger, onReport: (outcome) => outcomes.push(outcome) },
  );
  const post = async (body: string, headers: Record<string, string> = { authorization: 'Bearer good' }) => {
    const response = await app.request(url, { method: 'POST', body, headers });
    await store.flush();
    const retryAfter = response.headers.get('retry-after');
    return {
      status: response.status,
      body: response.status === 204 ? undefined : await response.json(),
      ...(retryAfter && { retryAfter }),
    };
  };
  return { app, asked, logged, outcomes, post, world };
}

const refused = (code: string, message: unknown) => ({ error: { code, message } });
const unauthorized = refused('UNAUTHORIZED', 'the bearer token may not report for research/demo');

describe('the progress endpoint', () => {
  it('takes a report with a good token, asking whether it is good for that training', async () => {
    const { asked, post, world } = makeEndpoint();
    expect(await post(JSON.stringify(report))).toEqual({ status: 204, body: undefined });
    expect(asked).toEqual(['good research/demo']);
    const progress = { ...report, percent: 33, advancedAt: '2026-11-24T12:00:05.000Z' };
    expect(world.list('LongPOTraining')[0]?.status).toEqual({ stages: [{ name: 'one', progress }] });
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

  it('asks a reporter that comes too often to come later, and lets others go on', async () => {
    const { outcomes, post } = makeEndpoint();
    for (let call = 0; call < 20; call++) await post(JSON.stringify(report));
    expect(await post(JSON.stringify(report))).toEqual({
      status: 429,
      body: refused('TOO_MANY_REPORTS', 'reports come too often: 2 a second are taken'),
      retryAfter: '1',
    });
    const other = { authorization: 'Bearer good too' };
    expect((await post(JSON.stringify(report), other)).status).toBe(204);
    expect([outcomes.length, outcomes.filter((outcome) => outcome === 'rate_limited').length]).toEqual([
      22, 1,
    ]);
  });

  it('does not call a token bad when it cannot be verified', async () => {
    const { outcomes, post } = makeEndpoint();
    expect(await post(JSON.stringify(report), { authorization: 'Bearer unknowable' })).toEqual({
      status: 503,
      body: refused('UNAVAILABLE', 'the token cannot be verified now: report again'),
      retryAfter: '5',
    });
    expect(outcomes).toEqual(['unverified']);
  });

  it('says a few times that tokens cannot be verified, not for each report', async () => {
    const { logged, outcomes, post } = makeEndpoint();
    for (let call = 0; call < 30; call++)
      await post(JSON.stringify(report), { authorization: 'Bearer unknowable' });
    expect([outcomes.length, logged]).toEqual([30, Array(10).fill('token not verified')]);
  });

  it('says that it is there', async () => {
    const response = await makeEndpoint().app.request('/healthz');
    expect([response.status, await response.text()]).toEqual([200, 'ok']);
  });
});
