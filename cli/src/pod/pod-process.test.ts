import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from './fixture/pod-fixture.ts';
import { startPodProcess } from './pod-process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pod-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const env = { PATH: process.env.PATH ?? '' };
const start = (script: string) =>
  startPodProcess({ command: ['sh', '-c', script], env, cwd: folder, logFile: join(folder, 'log') });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

it('gives exit codes as they are, and 128 + signal for a killed process', async () => {
  const codes = await Promise.all([
    start('exit 75').exited,
    start('kill -9 $$').exited,
    start('exit 0').exited,
  ]);
  expect(codes).toEqual([75, 137, 0]);
});

it('gives 127 for a command that does not exist', async () => {
  const missing = startPodProcess({
    command: ['longpo-none'],
    env,
    cwd: folder,
    logFile: join(folder, 'log'),
  });
  expect(await missing.exited).toBe(127);
});

it('writes both streams to the log file', async () => {
  await start('echo out; echo err >&2').exited;
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('out\nerr\n');
});

it('asks first and kills after the grace period', async () => {
  const polite = start('trap "exit 75" TERM; touch ready; while :; do sleep 0.05; done');
  await until(() => existsSync(join(folder, 'ready')));
  await polite.stop(5000);
  const deaf = start('trap "" TERM; touch deaf; while :; do sleep 0.05; done');
  await until(() => existsSync(join(folder, 'deaf')));
  await deaf.stop(100);
  expect([await polite.exited, await deaf.exited]).toEqual([75, 137]);
});

it('takes what its process left behind with it', async () => {
  await start('sleep 60 & echo $! > child; exit 0').exited;
  const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
  await until(() => !isAlive(child));
});

it('dies with its parent, even when the parent is killed', async () => {
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { startPodProcess } from ${JSON.stringify(join(import.meta.dirname, 'pod-process.ts'))};
       const { pid } = startPodProcess({ command: ['sleep', '60'], env: { PATH: process.env.PATH }, cwd: '/', logFile: '/dev/null' });
       console.log(pid); setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const pid = Number(
    await new Promise<string>((resolve) => parent.stdout.once('data', (data) => resolve(String(data)))),
  );
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await until(() => !isAlive(pid));
});
