import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, 'main.ts');
const folder = mkdtempSync(join(tmpdir(), 'longpo-main-'));
afterAll(() => rmSync(folder, { recursive: true }));

const image = 'longpo:test';
const config = {
  images: { fetch: image, generate: image, train: image, verify: image, serve: image, vllm: image },
  reportBaseUrl: 'http://longpo-controller:8080',
  listen: { progress: '127.0.0.1:0', metrics: '127.0.0.1:0' },
};

function write(name: string, value: object): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(value));
  return file;
}

const kubeconfigOf = (server: string) =>
  write('kubeconfig', {
    clusters: [{ name: 'test', cluster: { server } }],
    contexts: [{ name: 'test', context: { cluster: 'test' } }],
    'current-context': 'test',
  });

async function run(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH } });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  const lines = output.split('\n').filter((line) => line !== '');
  return { code, errors, lines: lines.map((line) => JSON.parse(line)) };
}

describe('longpo-controller', () => {
  it('exits with 2 and one line when its config is wrong', async () => {
    const file = write('wrong.json', { ...config, qps: 0 });
    expect(await run('--config', file)).toEqual({
      code: 2,
      errors: `error[CONFIG_INVALID]: qps: Too small: expected number to be >0; set it in ${file}\n`,
      lines: [],
    });
  });

  it('exits with 1 and one line when the cluster is too old', async () => {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ major: '1', minor: '30', gitVersion: 'v1.30.4' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const kubeconfig = kubeconfigOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const { code, errors } = await run('--config', write('right.json', config), '--kubeconfig', kubeconfig);
    server.close();
    expect({ code, errors }).toEqual({
      code: 1,
      errors: 'error[CLUSTER_TOO_OLD]: the API server is Kubernetes v1.30.4: LongPO needs 1.31 or later\n',
    });
  });

  it('ends an error that nobody expected with a JSON line, after it has said what it runs with', async () => {
    const file = write('right.json', config);
    const { code, errors, lines } = await run('--config', file, '--kubeconfig', join(folder, 'none'));
    expect({ code, errors, messages: lines.map(({ msg }) => msg) }).toEqual({
      code: 1,
      errors: '',
      messages: ['starting', 'listening', 'cannot start'],
    });
    expect(lines[0].config).toMatchObject(config);
    expect(lines.at(-1)).toMatchObject({ level: 'error', error: expect.stringContaining('ENOENT') });
  });
});
