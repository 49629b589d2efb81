/** The metrics of a server as a real Prometheus reads them; the engine answers a script. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { readConfig } from '../../cli/src/config.ts';
import { byteTokenizer, testApp } from '../../server/src/api/fixture.ts';
import { type Listener, listen } from '../../server/src/listener.ts';
import { ensurePrometheus, type Prometheus } from './prometheus/debian-package.ts';

const patience = { timeout: 60_000, interval: 200 };
let programs: Prometheus;
let folder: string;
let server: Listener;
let prometheus: ChildProcess;
let address: string;

async function freeAddress(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const bound = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (typeof bound !== 'object' || bound === null) throw new Error('no port');
  return `127.0.0.1:${bound.port}`;
}

beforeAll(async () => {
  programs = await ensurePrometheus(readConfig().cacheRoot);
  const { app, chat } = testApp(await byteTokenizer(), 'abc');
  await chat({});
  server = await listen(app.fetch, '127.0.0.1', 0);
  folder = await mkdtemp(join(tmpdir(), 'longpo-prometheus-'));
  const targets = [new URL(server.url).host];
  const config = {
    scrape_configs: [{ job_name: 'longpo', scrape_interval: '1s', static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  address = await freeAddress();
  prometheus = spawn(
    programs.prometheus,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: 'ignore' },
  );
});

afterAll(async () => {
  if (prometheus && prometheus.exitCode === null) {
    const ended = new Promise((resolve) => prometheus.once('exit', resolve));
    prometheus.kill();
    await ended;
  }
  await server?.close(0);
  if (folder) await rm(folder, { recursive: true });
});

/** Value by labels, but for those that Prometheus adds. */
async function query(expression: string): Promise<unknown[]> {
  const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`);
  const { data } = (await response.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  return data.result.map(({ metric: { instance: _, job: __, ...labels }, value }) => [
    labels,
    Number(value[1]),
  ]);
}

test('promtool finds nothing to object to', async () => {
  const check = spawn(programs.promtool, ['check', 'metrics'], { stdio: ['pipe', 'ignore', 'pipe'] });
  const complaints = text(check.stderr);
  const exit = new Promise((resolve) => check.once('exit', resolve));
  check.stdin.end(await (await fetch(`${server.url}/metrics`)).text());
  expect({ complaints: await complaints, exit: await exit }).toEqual({ complaints: '', exit: 0 });
});

test('Prometheus scrapes the server and answers the questions of a board', async () => {
  await vi.waitFor(async () => expect(await query('up')).toEqual([[{ __name__: 'up' }, 1]]), patience);
  const model = { model_name: 'tiny' };
  await vi.waitFor(
    async () =>
      expect(await query('longpo_generation_tokens_total')).toEqual([
        [{ __name__: 'longpo_generation_tokens_total', ...model }, 3],
      ]),
    patience,
  );
  expect(await query('sum by (finished_reason) (longpo_request_success_total)')).toEqual([
    [{ finished_reason: 'stop' }, 1],
  ]);
  const [quantile] = await query('histogram_quantile(0.99, longpo_time_to_first_token_seconds_bucket)');
  expect(quantile).toEqual([model, expect.any(Number)]);
  expect(await query('longpo_build_info')).toEqual([
    [expect.objectContaining({ ep: 'cpu', ort_version: '1.30.0' }), 1],
  ]);
});
