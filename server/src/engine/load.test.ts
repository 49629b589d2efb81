/** Many requests on few slots: what each of them gets is what it would get alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeFixtureModel } from '../model/fixture.ts';
import type { Engine, EngineOptions, GenerateRequest } from './engine.ts';
import { openEngine } from './open-engine.ts';
import { defaultSampling } from './sampling/settings.ts';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-load-'));
  await writeFixtureModel(join(root, 'model'), {});
});
afterAll(() => rm(root, { recursive: true }));

const open = (options: Partial<EngineOptions>): Promise<Engine> =>
  openEngine({
    directory: join(root, 'model'),
    quantization: 'none',
    cache: join(root, 'cache'),
    maxModelLen: 1024,
    ropeTheta: null,
    parallelSequences: 1,
    threads: 1,
    ...options,
  });

/** Of mixed lengths; some share a beginning, some are drawn with a seed. */
const requests: readonly GenerateRequest[] = Array.from({ length: 40 }, (_, i) => ({
  ...defaultSampling,
  promptIds: Array.from({ length: 1 + ((i * 97) % 600) }, (_, at) => (at * (3 + 2 * (i % 5)) + 5) % 96),
  maxTokens: 1 + ((i * 7) % 30),
  temperature: i % 3 === 0 ? 0 : 0.8,
  seed: i,
  ignoreEos: true,
}));

/** `leaveAfter` tokens the reader goes away. */
async function read(engine: Engine, request: GenerateRequest, leaveAfter = Infinity): Promise<number[]> {
  const ids: number[] = [];
  for await (const { id } of engine.generate(request).tokens) {
    ids.push(id);
    if (ids.length >= leaveAfter) break;
  }
  return ids;
}

test.each([
  ['plain', {}],
  ['prompt lookup', { promptLookup: true }],
  ['memory for two contexts', { kvMemory: 2 * 1024 * 512 }],
])('%s: no token is lost or mixed between requests, and nobody waits forever', async (_, options) => {
  const single = await open({});
  const engine = await open({ parallelSequences: 4, ...options });
  const leaveAfter = (i: number): number => (i % 5 === 4 ? 3 : Number.POSITIVE_INFINITY);
  const answers = await Promise.all(requests.map((request, i) => read(engine, request, leaveAfter(i))));
  for (const [i, request] of requests.entries()) {
    const alone = await read(single, request);
    expect(answers[i]).toEqual(alone.slice(0, leaveAfter(i)));
  }
  expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, queuedTokens: 0 });
  await Promise.all([engine.close(), single.close()]);
});

test('closing in the middle of decodes ends them and waits for their run', async () => {
  const engine = await open({ parallelSequences: 3, promptLookup: true });
  const request = { ...defaultSampling, promptIds: [1, 2, 3], maxTokens: 900, ignoreEos: true };
  const generations = [1, 2, 3].map((seed) => engine.generate({ ...request, seed }));
  const counts = generations.map(async ({ tokens, finishReason }) => {
    let count = 0;
    for await (const _ of tokens) {
      count += 1;
      if (count === 5) void engine.close();
    }
    return [count >= 5, count < 900, await finishReason];
  });
  expect(await Promise.all(counts)).toEqual(generations.map(() => [true, true, 'abort']));
  await engine.close();
});
