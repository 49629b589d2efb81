import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type FixtureOptions, writeFixtureModel } from '../model/fixture.ts';
import type { Engine, EngineOptions, GeneratedToken, GenerateRequest, Generation } from './engine.ts';
import { openEngine } from './open-engine.ts';
import { defaultSampling } from './sampling/settings.ts';

let root: string;
const engines: Engine[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-engine-'));
});
afterAll(() => rm(root, { recursive: true }));
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function open(options: Partial<EngineOptions> = {}, model: FixtureOptions = {}): Promise<Engine> {
  const directory = join(root, `model-${JSON.stringify(model).replaceAll(/\W+/g, '-')}`);
  await writeFixtureModel(directory, model);
  const engine = await openEngine({
    directory,
    quantization: 'none',
    cache: join(root, 'cache'),
    maxModelLen: 1024,
    ropeTheta: null,
    parallelSequences: 2,
    threads: 1,
    ...options,
  });
  engines.push(engine);
  return engine;
}

const request = (promptIds: number[], changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  ...defaultSampling,
  promptIds,
  maxTokens: 24,
  temperature: 0,
  seed: 3,
  ignoreEos: true,
  ...changes,
});

async function read({ tokens }: Generation): Promise<GeneratedToken[]> {
  const all: GeneratedToken[] = [];
  for await (const token of tokens) all.push(token);
  return all;
}

const ids = async (generation: Generation): Promise<number[]> => (await read(generation)).map(({ id }) => id);
const prompt = (length: number, factor = 7): number[] =>
  Array.from({ length }, (_, i) => (i * factor + 3) % 96);

test.each(['none', 'int8'] as const)(
  '%s: the answer does not depend on what else runs',
  async (quantization) => {
    const engine = await open({ quantization });
    const alone = await ids(engine.generate(request(prompt(40))));
    const crowd = [prompt(300, 11), prompt(40), prompt(5, 13), prompt(700, 17)];
    const answers = await Promise.all(crowd.map((promptIds) => ids(engine.generate(request(promptIds)))));
    expect(answers[1]).toEqual(alone);
    expect(new Set(answers.map(String)).size).toBe(4);
  },
);

test.each(['none', 'int8'] as const)(
  '%s: slots that stay idle in a batch keep their prefixes, bit for bit',
  async (quantization) => {
    const engine = await open({ quantization, parallelSequences: 4 });
    const alone = await open({ quantization, parallelSequences: 1 });
    const kept = [prompt(90, 5), prompt(120, 11), prompt(70, 13), prompt(40, 17)];
    await Promise.all(kept.map((promptIds) => ids(engine.generate(request(promptIds, { maxTokens: 2 })))));
    // The outer two decode while the inner two are covered as idle rows, one of them in the middle of its prompt.
    const outer = [kept[0] ?? [], kept[3] ?? []].map((promptIds) => [...promptIds, 1]);
    const longer = [...(kept[1] ?? []), ...prompt(600, 23)];
    const asked = [...outer, longer];
    const together = await Promise.all(
      asked.map((promptIds) => read(engine.generate(request(promptIds, { topLogprobs: 2, maxTokens: 40 })))),
    );
    const inner = [...(kept[2] ?? []), 2];
    const generation = engine.generate(request(inner, { topLogprobs: 2 }));
    const last = await read(generation);
    expect(generation.cachedTokens).toBe(70);
    for (const [i, promptIds] of asked.entries()) {
      const single = await read(alone.generate(request(promptIds, { topLogprobs: 2, maxTokens: 40 })));
      expect(together[i]).toEqual(single);
    }
    expect(last).toEqual(await read(alone.generate(request(inner, { topLogprobs: 2 }))));
  },
);

const bitEqual = [
  { quantization: 'none' },
  { quantization: 'int8' },
  { quantization: 'int8', kvType: 'int8' },
] as const;

test.each(bitEqual)(
  '$quantization, keys $kvType: requests on one document copy what one reads, to the bit',
  async (mode) => {
    const engine = await open({ ...mode, parallelSequences: 3 });
    const prompts = [1, 2, 3].map((question) => [...prompt(601, 11), question, 5]);
    const asked = (promptIds: number[]) => request(promptIds, { topLogprobs: 2 });
    const generations = prompts.map((promptIds) => engine.generate(asked(promptIds)));
    const together = await Promise.all(generations.map(read));
    expect(generations.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 601, 601]);
    expect(engine.stats()).toMatchObject({ prefillTokens: 601 + 3 * 2, prefixCacheHits: 2 * 601 });
    const alone = await open({ ...mode, parallelSequences: 1 });
    for (const [i, promptIds] of prompts.entries())
      expect(together[i]).toEqual(await read(alone.generate(asked(promptIds))));
  },
);

test.each(['f32', 'int8'] as const)(
  'keys %s, a head for each thread or fewer: answers of one length decode as they do alone',
  async (kvType) => {
    // More threads than heads: the attention of a single row would be split among them.
    const few = { config: { num_attention_heads: 2, num_key_value_heads: 1 } };
    const engine = await open({ kvType, threads: 8, parallelSequences: 3, maxModelLen: 3000 }, few);
    const prompts = [prompt(2600, 11), prompt(2600, 13), prompt(2600, 17)];
    const ask = (promptIds: number[]) => read(engine.generate(request(promptIds, { topLogprobs: 2 })));
    const together = await Promise.all(prompts.map(ask));
    for (const [i, promptIds] of prompts.entries()) expect(together[i]).toEqual(await ask(promptIds));
  },
);

test.each(bitEqual)(
  '$quantization, keys $kvType: prompt lookup changes no bit of any answer',
  async (mode) => {
    const sizes = { maxModelLen: 6000, threads: 4 };
    const plain = await open({ ...mode, ...sizes });
    const guessing = await open({ ...mode, ...sizes, promptLookup: true });
    const long = prompt(2400, 11);
    const echo = [...long, ...(await ids(plain.generate(request(long, { maxTokens: 60 }))))];
    // Asked again for what it said: the guesses are right for a while.
    const asked = [
      request([...echo, ...long], { topLogprobs: 2, maxTokens: 80 }),
      request(prompt(90), { temperature: 1 }),
    ];
    for (const each of asked) {
      expect(await read(guessing.generate(each))).toEqual(await read(plain.generate(each)));
    }
    const { draftTokens, draftAccepted } = guessing.stats();
    expect({ guessed: draftTokens > 0, held: draftAccepted > 5 }).toEqual({ guessed: true, held: true });
  },
);

test('int8 keys and values take a quarter of the memory and answer nearly as float32 ones do', async () => {
  const [exact, rounded] = [await open(), await open({ kvType: 'int8' })];
  const asked = request(prompt(500, 11), { promptLogprobs: 1, maxTokens: 0 });
  const tops = async (engine: Engine) => {
    const entries = (await engine.generate(asked).promptLogprobs) ?? [];
    return entries.map((entry) => entry?.topLogprobs[0]?.id);
  };
  const [first, second] = [await tops(exact), await tops(rounded)];
  expect(first.filter((id, i) => id === second[i]).length).toBeGreaterThan(475);
  // In pages, of which int8 fills 4 of 64 positions where float32 fills one of 16.
  const [bytes, quarter] = [exact.stats().kvBytesUsed, rounded.stats().kvBytesUsed];
  expect(bytes / quarter).toBeCloseTo(4, 5);
});

test('int8 keys and values: an answer is the same beside others and after a restored prefix', async () => {
  const options = { kvType: 'int8', prefixCache: join(root, 'int8-prefixes') } as const;
  const engine = await open(options);
  const asked = [prompt(300, 11), prompt(80, 13)].map((promptIds) => request(promptIds, { topLogprobs: 2 }));
  const together = await Promise.all(asked.map((each) => read(engine.generate(each))));
  for (const [i, each] of asked.entries()) expect(together[i]).toEqual(await read(engine.generate(each)));
  await engine.close();
  const restored = await open(options);
  const generation = restored.generate(asked[0] ?? request([1]));
  expect(await read(generation)).toEqual(together[0]);
  expect(generation.cachedTokens).toBe(299);
});

test('a prefix that was read once survives a restart, bit for bit, and only for the same weights', async () => {
  const prefixCache = join(root, 'prefixes');
  const long = prompt(600, 11);
  const asked = request([...long, 1, 2, 3], { topLogprobs: 2 });
  const first = await open({ prefixCache, quantization: 'int8' });
  await ids(first.generate(request(long)));
  await first.close();
  const other = (await open({ prefixCache })).generate(asked);
  await read(other);
  expect(other.cachedTokens).toBe(0);
  const second = await open({ prefixCache, quantization: 'int8' });
  expect(second.stats().kvTokensUsed).toBe(600);
  const generation = second.generate(asked);
  const answer = await read(generation);
  expect(generation.cachedTokens).toBe(600);
  expect(answer).toEqual(await read((await open({ quantization: 'int8' })).generate(asked)));
  // A shorter context than the prefix: it is left alone.
  const short = await open({ prefixCache, quantization: 'int8', maxModelLen: 500 });
  expect(short.stats().kvTokensUsed).toBe(0);
});

test('log-probabilities of the prompt are those of the tokens when they are drawn', async () => {
  const engine = await open();
  const first = prompt(300, 11);
  const answer = await read(engine.generate(request(first, { topLogprobs: 2, maxTokens: 4 })));
  const whole = [...first, ...answer.map(({ id }) => id)];
  const generation = engine.generate(request(whole, { promptLogprobs: 2, maxTokens: 0 }));
  const entries = (await generation.promptLogprobs) ?? [];
  expect(entries.length).toBe(304);
  // The first of them comes from the same run of the prompt; the others were decoded.
  expect(entries[300]).toEqual(answer[0]);
  for (const [i, token] of answer.entries()) {
    expect(entries[300 + i]?.logprob).toBeCloseTo(token.logprob ?? Number.NaN, 4);
  }
});

test.each(['none', 'int8'] as const)(
  '%s: chunks and reused prefixes change no bit of the answer',
  async (quantization) => {
    const fresh = await open({ quantization, parallelSequences: 1 });
    const reused = await open({ quantization, parallelSequences: 1 });
    const long = prompt(600, 29);
    const whole = await read(fresh.generate(request(long, { topLogprobs: 3 })));
    for (const length of [1, 2, 257, 300, 511]) {
      await ids(reused.generate(request(long.slice(0, length), { maxTokens: 2 })));
    }
    const generation = reused.generate(request(long, { topLogprobs: 3 }));
    expect(await read(generation)).toEqual(whole);
    expect(generation.cachedTokens).toBe(511);
    const again = reused.generate(request(long, { topLogprobs: 3 }));
    expect(await read(again)).toEqual(whole);
    expect(again.cachedTokens).toBe(599);
  },
);

test('a conversation continues on its prompt and reads its answer again, to the bit as a new one', async () => {
  const engine = await open();
  const first = prompt(50);
  const followUp = [...first, ...(await ids(engine.generate(request(first)))), 5, 6, 7];
  const generation = engine.generate(request(followUp));
  const continued = await ids(generation);
  expect(generation.cachedTokens).toBe(50);
  expect(continued).toEqual(await ids((await open()).generate(request(followUp))));
});

test('the same seed draws the same text beside other requests; another seed another', async () => {
  const engine = await open();
  const drawn = (seed: number, length = 30) =>
    ids(engine.generate(request(prompt(length), { temperature: 1, topP: 0.95, seed })));
  const alone = await drawn(11);
  const [beside] = await Promise.all([drawn(11), drawn(12, 200), drawn(13, 90)]);
  expect(beside).toEqual(alone);
  expect(await drawn(12)).not.toEqual(alone);
});

test('log-probabilities of a greedy token are its own, the largest first', async () => {
  const engine = await open();
  const tokens = await read(engine.generate(request(prompt(20), { topLogprobs: 5, maxTokens: 4 })));
  for (const { id, logprob, topLogprobs } of tokens) {
    expect(topLogprobs[0]).toEqual({ id, logprob });
    expect(topLogprobs.map((top) => top.logprob)).toEqual(
      topLogprobs.map((top) => top.logprob).toSorted((a, b) => b - a),
    );
  }
  const all = await read(engine.generate(request(prompt(20), { topLogprobs: 96, maxTokens: 1 })));
  const total = all[0]?.topLogprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
  expect(total).toBeCloseTo(1, 5);
});

test.each<[string, FixtureOptions]>([
  ['bfloat16 weights', { dtype: 'BF16' }],
  ['float16 weights', { dtype: 'F16' }],
  ['shards and a head of its own', { shards: 3, config: { tie_word_embeddings: false } }],
  ['Llama with biases', { config: { attention_bias: true } }],
  ['Qwen2', { config: { architectures: ['Qwen2ForCausalLM'] } }],
  ['Qwen3', { config: { architectures: ['Qwen3ForCausalLM'] } }],
])('%s: 8 bits choose nearly what float32 chooses', async (_, model) => {
  const [exact, rounded] = [await open({}, model), await open({ quantization: 'int8' }, model)];
  const next = async (engine: Engine, length: number): Promise<number> =>
    (await ids(engine.generate(request(prompt(length), { maxTokens: 1 }))))[0] ?? -1;
  let same = 0;
  for (let length = 1; length <= 30; length++) {
    if ((await next(exact, length)) === (await next(rounded, length))) same += 1;
  }
  expect(same).toBeGreaterThanOrEqual(25);
});

test('rope theta from the options replaces that of the model', async () => {
  const own = await ids((await open()).generate(request(prompt(200))));
  expect(await ids((await open({ ropeTheta: 10_000 })).generate(request(prompt(200))))).toEqual(own);
  expect(await ids((await open({ ropeTheta: 1e6 })).generate(request(prompt(200))))).not.toEqual(own);
});

test('an aborted request leaves at once and the engine goes on', async () => {
  const engine = await open();
  const controller = new AbortController();
  const generation = engine.generate(
    request(prompt(1000), { onPrefill: (done) => done > 0 && controller.abort() }),
    controller.signal,
  );
  expect([await ids(generation), await generation.finishReason]).toEqual([[], 'abort']);
  expect((await ids(engine.generate(request(prompt(10))))).length).toBe(24);
  expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, kvTokensCapacity: 2048 });
});

test('closing during a run waits for it and may be repeated', async () => {
  const engine = await open();
  const generation = engine.generate(request(prompt(900)));
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([engine.close(), engine.close()]);
  await engine.close();
  expect(await generation.finishReason).toBe('abort');
  expect(() => engine.generate(request([1]))).toThrow(expect.objectContaining({ code: 'ENGINE_CLOSED' }));
});

test('a KV budget below one context is refused with the numbers, and one of exactly that serves it', async () => {
  // 2 layers, keys and values, 2 heads of 16 floats: 512 bytes a token.
  const needed = 1024 * 512;
  await expect(open({ kvMemory: needed - 1 })).rejects.toThrow(
    expect.objectContaining({
      code: 'KV_MEMORY_TOO_SMALL',
      message: `keys and values of one context of 1024 tokens take ${needed} bytes, the budget is ${needed - 1}: raise kvMemory or lower maxModelLen`,
    }),
  );
  const engine = await open({ kvMemory: needed });
  const answers = [prompt(900), prompt(500, 11)].map((promptIds) => engine.generate(request(promptIds)));
  expect(await Promise.all(answers.map(ids))).toEqual([
    await ids((await open()).generate(request(prompt(900)))),
    await ids((await open()).generate(request(prompt(500, 11)))),
  ]);
  expect(engine.stats().kvBytesReserved).toBeLessThanOrEqual(needed);
  expect(engine.stats().evictions).toBe(1);
});

test('more address space than the machine has: opening fails and holds nothing', async () => {
  const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
  await open();
  const before = mappings();
  for (let i = 0; i < 3; i++) {
    await expect(open({ maxModelLen: 2 ** 40, parallelSequences: 64 })).rejects.toThrow('mmap of');
  }
  expect(mappings() - before).toBeLessThan(20);
});

test('opening and closing many engines gives their memory back', async () => {
  const cycle = async () => (await open({ maxModelLen: 100_000 })).close();
  for (let i = 0; i < 3; i++) await cycle();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 10; i++) await cycle();
  expect(process.memoryUsage().rss - before).toBeLessThan(60e6);
});

test.each<[Partial<GenerateRequest>, string]>([
  [{ promptIds: [] }, 'PROMPT_EMPTY'],
  [{ promptIds: prompt(1024) }, 'PROMPT_TOO_LONG'],
  [{ promptIds: [1, 96] }, 'TOKEN_OUT_OF_RANGE'],
  [{ promptIds: [1.5] }, 'TOKEN_OUT_OF_RANGE'],
  [{ maxTokens: -1 }, 'REQUEST_INVALID'],
  [{ temperature: -1 }, 'REQUEST_INVALID'],
  [{ topP: 0 }, 'REQUEST_INVALID'],
])('a request that cannot be served is refused at once', async (changes, code) => {
  const engine = await open();
  expect(() => engine.generate({ ...request([1]), ...changes })).toThrow(expect.objectContaining({ code }));
});

test('loading tells its progress up to the whole', async () => {
  const progress: [number, number][] = [];
  await open({ quantization: 'int4', cache: join(root, 'fresh'), onLoad: (...args) => progress.push(args) });
  const totals = new Set(progress.map(([, total]) => total));
  const completed = progress.map(([done]) => done);
  expect({ totals: totals.size, last: completed.at(-1) }).toEqual({ totals: 1, last: [...totals][0] });
  expect(completed).toEqual(completed.toSorted((a, b) => a - b));
});
