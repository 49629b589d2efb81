import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, printable, readConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'longpo-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const images = `images:
  fetch: trainer:1
  generate: server:1
  train: trainer:1
  verify: trainer:1
  serve: server:1
  vllm: vllm/vllm-openai:v1
`;
const base = `${images}reportBaseUrl: http://longpo-controller.longpo-system.svc:8080/\n`;

function write(text: string): string {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, text);
  return file;
}

function problemWith(text: string, args: string[] = [], env: Record<string, string> = {}): string {
  const file = write(text);
  try {
    readConfig(['--config', file, ...args], env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(file, 'FILE');
    throw error;
  }
  return 'none';
}

describe('the config', () => {
  it('fills the defaults around what the file says', () => {
    const config = readConfig(['--config', write(base), '--identity', 'me', '--kubeconfig', 'kc'], {
      A: 'secret',
    });
    expect(config.connection).toEqual({ kubeconfig: 'kc', environment: { A: 'secret' } });
    expect(printable(config)).toEqual({
      kubeconfig: 'kc',
      images: {
        fetch: 'trainer:1',
        generate: 'server:1',
        train: 'trainer:1',
        verify: 'trainer:1',
        serve: 'server:1',
        vllm: 'vllm/vllm-openai:v1',
      },
      reportBaseUrl: 'http://longpo-controller.longpo-system.svc:8080',
      listen: { progress: '0.0.0.0:8080', metrics: '0.0.0.0:8081' },
      leaderElection: {
        enabled: true,
        identity: expect.stringMatching(/^me-[0-9a-f]{8}$/),
        leaseName: 'longpo-controller',
        namespace: 'longpo-system',
        leaseDurationSeconds: 15,
        renewDeadlineSeconds: 10,
        retryPeriodSeconds: 2,
      },
      watchNamespaces: [],
      progressPeriodSeconds: 10,
      concurrency: 4,
      qps: 50,
      burst: 100,
      stuckAfterSeconds: 600,
      logLevel: 'info',
    });
  });

  it('takes a flag before env, and env before the file', () => {
    const file = write(`${base}listen: {progress: "1.1.1.1:1", metrics: "1.1.1.1:2"}\nlogLevel: info\n`);
    const env = { LONGPO_LISTEN_METRICS: '2.2.2.2:2', LONGPO_LOG_LEVEL: 'info', POD_NAMESPACE: 'ml' };
    const config = readConfig(['--config', file, '--log-level', 'error'], env);
    expect([config.listen, config.logLevel, config.leaderElection.namespace]).toEqual([
      { progress: '1.1.1.1:1', metrics: '2.2.2.2:2' },
      'error',
      'ml',
    ]);
  });

  it('gives each process a name of its own, also in the same pod', () => {
    const file = write(base);
    const env = { POD_NAME: 'longpo-controller-0' };
    const [one, other] = [readConfig(['--config', file], env), readConfig(['--config', file], env)];
    expect(one.leaderElection.identity).not.toBe(other.leaderElection.identity);
  });

  it('reads JSON as well', () => {
    const json = { images: readConfig(['--config', write(base)], {}).images, reportBaseUrl: 'https://x' };
    expect(readConfig(['--config', write(JSON.stringify(json))], {}).reportBaseUrl).toBe('https://x');
  });

  it.each<[name: string, text: string, problem: string]>([
    ['a missing image', base.replace(/ {2}serve.*\n/, ''), 'images.serve: '],
    ['a wrong URL', `${images}reportBaseUrl: here\n`, 'reportBaseUrl: must be an http(s) URL'],
    ['an unknown field', `${base}replicas: 2\n`, 'the config: Unrecognized key: "replicas"'],
    [
      'an address without a port',
      `${base}listen: {metrics: localhost}\n`,
      'listen.metrics: must be host:port',
    ],
    ['a port that cannot be', `${base}listen: {metrics: "x:70000"}\n`, 'listen.metrics: has a port above'],
    [
      'a lease that two could hold',
      `${base}leaderElection: {renewDeadlineSeconds: 20}\n`,
      'leaderElection.renewDeadlineSeconds: needs retryPeriodSeconds <',
    ],
    ['text that is no YAML', 'images: [', '--config FILE cannot be read: '],
    ['a list', '- images', '--config FILE holds no fields'],
  ])('refuses %s, naming the field and where to set it', (_, text, problem) => {
    expect(problemWith(text)).toContain(problem);
    expect(problemWith(text)).not.toContain('\n');
  });

  it('says where else a value can come from', () => {
    expect(problemWith(base, ['--log-level', 'loud'])).toMatch(
      /^logLevel: .*; set it in FILE or by --log-level or by env LONGPO_LOG_LEVEL$/,
    );
  });

  it('refuses a flag that does not exist, and a file that is not there', () => {
    expect(problemWith(base, ['--verbose'])).toMatch(/--verbose.*: the flags are --config, --kubeconfig, /);
    expect(() => readConfig(['--config', join(folder, 'none.yaml')], {})).toThrow(/cannot be read: ENOENT/);
  });
});
