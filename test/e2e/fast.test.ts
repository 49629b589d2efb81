import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../waiting.ts';
import {
  askServed,
  type FastWorld,
  freePort,
  longpo,
  makeFastWorld,
  podProcesses,
  readState,
} from './longpo-run.ts';

/**
 * The whole line on a small model, and the same with a process killed in the middle. f32 and one thread: a killed run
 * must end with the same data file and the same checkpoint, byte for byte, as one that nobody touched.
 */
let world: FastWorld;
beforeAll(async () => {
  world = await makeFastWorld(mkdtempSync(join(tmpdir(), 'longpo-fast-')));
});
afterAll(() => rmSync(world.folder, { recursive: true, force: true }));

interface Outcome {
  rows: string | undefined;
  checkpoint: string | undefined;
  steps: number | undefined;
}

function outcome(state: string): Outcome {
  const stage = readState(state, 'fast')?.status?.stages?.[0];
  return { rows: stage?.data?.digest, checkpoint: stage?.checkpoint?.digest, steps: stage?.checkpoint?.step };
}

async function start(state: string) {
  const port = await freePort();
  const run = longpo(['run', world.manifest, '--state', state, '--port', String(port)]);
  return { run, url: `http://127.0.0.1:${port}/v1`, volume: join(state, 'fast', 'volume') };
}

const ready = /The server runs until Ctrl-C/;

async function interrupt({ run }: Awaited<ReturnType<typeof start>>): Promise<number | null> {
  run.child.kill('SIGINT');
  return run.exited;
}

const state = (name: string) => join(world.folder, `state-${name}`);
const metrics = (volume: string) => join(volume, 'fast', 'short', 'metrics.jsonl');
const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);

let undisturbed: Outcome;

describe('longpo run on a small model', () => {
  it('ends with an answer for the openai client, and leaves no process behind', async () => {
    const started = await start(state('undisturbed'));
    await started.run.prints(ready);
    expect(await askServed(started.url)).toMatch(/^1\. /);
    expect(await interrupt(started)).toBe(0);
    expect(podProcesses(started.volume, /./)).toEqual([]);
    undisturbed = outcome(state('undisturbed'));
    expect(undisturbed).toEqual({
      rows: expect.stringMatching(/^sha256:/) as string,
      checkpoint: expect.stringMatching(/^sha256:/) as string,
      steps: 4,
    });
  });

  it('starts again from what is there: a finished run only serves', async () => {
    const started = await start(state('undisturbed'));
    await started.run.prints(ready);
    expect(await interrupt(started)).toBe(0);
    expect(outcome(state('undisturbed'))).toEqual(undisturbed);
    expect(started.run.output()).not.toMatch(/short train +\[[#-]*-/);
  });

  it('refuses another manifest under the same name and keeps what was there', async () => {
    const changed = await makeFastWorld(world.folder, (manifest) => {
      const copy = structuredClone(manifest) as typeof import('./longpo-run.ts').fastTraining;
      copy.spec.train.learningRate = 1e-3;
      return copy;
    });
    const run = longpo([
      'run',
      changed.manifest,
      '--state',
      state('undisturbed'),
      '--port',
      String(await freePort()),
    ]);
    expect(await run.exited).toBe(2);
    expect(run.output()).toMatch(/error\[MANIFEST_CHANGED\].*spec\.train\.learningRate/);
    await makeFastWorld(world.folder);
    expect(outcome(state('undisturbed'))).toEqual(undisturbed);
  });

  it('goes on after the command line was killed in the middle of training', async () => {
    const first = await start(state('cli'));
    await until('a second step', () => linesOf(metrics(first.volume)) >= 2);
    first.run.child.kill('SIGKILL');
    await first.run.exited;
    await until('the end of its children', () => podProcesses(first.volume, /./).length === 0);
    const second = await start(state('cli'));
    await second.run.prints(ready);
    expect(await interrupt(second)).toBe(0);
    expect(outcome(state('cli'))).toEqual(undisturbed);
  });

  it('goes on after the generator was killed between two items', async () => {
    const started = await start(state('generator'));
    const items = join(started.volume, 'fast', 'short', 'data', 'items.jsonl');
    await until('a finished item', () => linesOf(items) >= 2);
    const [pid] = podProcesses(started.volume, /preferences|longpo-generate/);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await started.run.prints(ready);
    expect(await interrupt(started)).toBe(0);
    expect({ pid: typeof pid, ...outcome(state('generator')) }).toEqual({ pid: 'number', ...undisturbed });
  });

  it('goes on after one rank was killed', async () => {
    const started = await start(state('rank'));
    await until('a second step', () => linesOf(metrics(started.volume)) >= 2);
    const ranks = podProcesses(started.volume, /spawn_main/);
    process.kill(ranks.at(-1) ?? 0, 'SIGKILL');
    await started.run.prints(ready);
    expect(await interrupt(started)).toBe(0);
    const stage = readState(state('rank'), 'fast')?.status?.stages?.[0];
    expect({ restarts: stage?.restarts, ...outcome(state('rank')) }).toEqual({ restarts: 1, ...undisturbed });
  });

  it('answers again after the server was killed', async () => {
    const started = await start(state('undisturbed'));
    await started.run.prints(ready);
    const [server] = podProcesses(started.volume, /longpo-serve/);
    process.kill(server ?? 0, 'SIGKILL');
    const client = new OpenAI({ baseURL: started.url, apiKey: 'none', maxRetries: 20 });
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['fast']);
    expect(await interrupt(started)).toBe(0);
    expect(podProcesses(started.volume, /./)).toEqual([]);
  });
});
