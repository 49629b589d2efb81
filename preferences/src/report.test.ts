import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { ProgressReport } from '@longpo/api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Reporter } from './report.ts';

const folder = mkdtempSync(join(tmpdir(), 'longpo-report-'));
const tokenFile = join(folder, 'token');
let received: { token: string | undefined; completed: number }[] = [];
let arrived = Promise.withResolvers<void>();
let status = 204;
const server = createServer(async (request, response) => {
  const { completed } = (await json(request)) as ProgressReport;
  received.push({ token: request.headers.authorization, completed });
  response.writeHead(status).end();
  arrived.resolve();
});
let url = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/report`;
});
beforeEach(() => {
  received = [];
  status = 204;
  arrived = Promise.withResolvers();
  writeFileSync(tokenFile, 'first\n');
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const report = (completed: number): ProgressReport => ({
  role: 'generate',
  stage: 'one',
  attempt: 1,
  phase: 'generate',
  completed,
  total: 100,
  unit: 'items',
  reportedAt: '2026-01-01T00:00:00Z',
});

describe('progress reports', () => {
  it('are the last value only, with the token as the file has it now', async () => {
    const reporter = new Reporter(url, tokenFile);
    reporter.report(report(1));
    await arrived.promise;
    writeFileSync(tokenFile, 'second\n');
    for (let n = 2; n <= 50; n++) reporter.report(report(n));
    await reporter.close();
    expect(received).toEqual([
      { token: 'Bearer first', completed: 1 },
      { token: 'Bearer second', completed: 50 },
    ]);
  });

  it('are a second apart', async () => {
    const reporter = new Reporter(url, tokenFile);
    const started = performance.now();
    reporter.report(report(1));
    await arrived.promise;
    arrived = Promise.withResolvers();
    reporter.report(report(2));
    await arrived.promise;
    expect(performance.now() - started).toBeGreaterThan(990);
    await reporter.close();
    expect(received.map(({ completed }) => completed)).toEqual([1, 2]);
  });

  it('never fail the run', async () => {
    status = 401;
    for (const [to, file] of [
      [url, tokenFile],
      [url, join(folder, 'no-token')],
      ['http://127.0.0.1:9/report', tokenFile],
      [undefined, undefined],
    ]) {
      const reporter = new Reporter(to, file);
      reporter.report(report(1));
      expect(await reporter.close()).toBeUndefined();
    }
    expect(received.map(({ completed }) => completed)).toEqual([1]);
  });
});
