import { expect, test } from 'vitest';
import type { GeneratedToken, GenerateRequest, Generation } from '../engine.ts';
import { defaultSampling } from '../sampling/settings.ts';
import type { DecodeRow, Runner, Step } from './runner.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';

const vocabularySize = 1000;

/** A model whose next token is the sum of all tokens so far: it notices any step on the wrong slot or position. */
class SumRunner implements Runner {
  readonly slots: number;
  readonly positions = 500;
  readonly chunkTokens = 10;
  readonly vocabularySize = vocabularySize;
  readonly decodesAsItReads: boolean = true;
  maxDraft = 0;
  /** Slots, tokens and pasts of every call. */
  readonly calls: { slots: number[]; tokens: number; past: number[] }[] = [];
  readonly truncated: [slot: number, length: number][] = [];
  /** Called within every run; what it returns is waited for. */
  during: (steps: readonly Step[]) => unknown = () => undefined;
  closed = 0;
  #terminate: ((error: Error) => void) | undefined;
  readonly #tokens: number[][];

  constructor(slots: number) {
    this.slots = slots;
    this.#tokens = Array.from({ length: slots }, () => []);
  }

  kvBytes(tokens: number): number {
    return tokens * 8;
  }

  async run(step: Step): Promise<Float32Array> {
    await this.#call([step]);
    const { at = [step.ids.length - 1] } = step;
    const rows = at.map((index) => this.#after(step.slot, step.past + index + 1));
    return Float32Array.from(rows.flatMap((row) => [...row]));
  }

  async decode(rows: readonly DecodeRow[]): Promise<Float32Array[]> {
    await this.#call(rows.map(({ slot, id, past }) => ({ slot, ids: [id], past })));
    return rows.map(({ slot, past }) => this.#after(slot, past + 1));
  }

  async verify({ slot, ids, past }: Step): Promise<Float32Array[]> {
    await this.#call([{ slot, ids, past }]);
    return ids.map((_, i) => this.#after(slot, past + i + 1));
  }

  async #call(steps: readonly Step[]): Promise<void> {
    if (this.#terminate) throw new Error('two runs at once');
    const { promise, reject } = Promise.withResolvers<never>();
    this.#terminate = reject;
    try {
      this.calls.push({
        slots: steps.map(({ slot }) => slot),
        tokens: steps.reduce((sum, { ids }) => sum + ids.length, 0),
        past: steps.map(({ past }) => past),
      });
      await Promise.race([this.during(steps), promise]);
    } finally {
      this.#terminate = undefined;
    }
    for (const { slot, past, ids } of steps) {
      this.#tokens[slot]?.splice(past, Number.POSITIVE_INFINITY, ...ids);
    }
  }

  #after(slot: number, length: number): Float32Array {
    const logits = new Float32Array(vocabularySize);
    const tokens = this.#tokens[slot]?.slice(0, length) ?? [];
    logits[tokens.reduce((sum, id) => sum + id, 0) % vocabularySize] = 1;
    return logits;
  }

  terminate(): void {
    this.#terminate?.(new Error('terminated'));
  }

  truncate(slot: number, length: number): void {
    this.truncated.push([slot, length]);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

const request = (promptIds: number[], changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  ...defaultSampling,
  promptIds,
  maxTokens: 3,
  temperature: 0,
  ...changes,
});

const schedule = (runner: Runner, options: Partial<SchedulerOptions> = {}): Scheduler =>
  new Scheduler(runner, { eosTokenIds: [], ...options });

async function read({ tokens }: Generation): Promise<number[]> {
  const all: GeneratedToken[] = [];
  for await (const token of tokens) all.push(token);
  return all.map(({ id }) => id);
}

function expected(promptIds: number[], count: number): number[] {
  const tokens = [...promptIds];
  for (let i = 0; i < count; i++) tokens.push(tokens.reduce((sum, id) => sum + id, 0) % vocabularySize);
  return tokens.slice(promptIds.length);
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

test('more requests than slots are all answered, first come first served', async () => {
  const scheduler = schedule(new SumRunner(2));
  const prompts = range(0, 5).map((i) => range(i * 100, 25 + i));
  const done: number[] = [];
  const answers = await Promise.all(
    prompts.map(async (prompt, i) => {
      const ids = await read(scheduler.submit(request(prompt)));
      done.push(i);
      return ids;
    }),
  );
  expect(answers).toEqual(prompts.map((prompt) => expected(prompt, 3)));
  expect(done).toEqual([0, 1, 2, 3, 4]);
});

test('a decoding request never waits for more than one chunk of a prompt', async () => {
  const runner = new SumRunner(3);
  const scheduler = schedule(runner);
  const short = read(scheduler.submit(request([1, 2], { maxTokens: 12 })));
  const long = [range(0, 95), range(300, 95)].map((prompt) => read(scheduler.submit(request(prompt))));
  await short;
  const decodes = runner.calls.flatMap(({ slots }, i) => (slots.includes(0) ? [i] : []));
  const gaps = decodes.slice(1).map((at, i) => at - (decodes[i] ?? 0));
  expect(Math.max(...gaps)).toBe(2);
  await Promise.all(long);
});

test('decoding requests take one run a round, whatever their number', async () => {
  const runner = new SumRunner(4);
  const scheduler = schedule(runner);
  const prompts = range(0, 4).map((i) => range(i * 50, 2 + i));
  const answers = prompts.map((prompt) => read(scheduler.submit(request(prompt, { maxTokens: 6 }))));
  expect(await Promise.all(answers)).toEqual(prompts.map((prompt) => expected(prompt, 6)));
  const widest = runner.calls.filter(({ slots }) => slots.length === 4);
  expect(widest.length).toBeGreaterThanOrEqual(3);
  expect(scheduler.stats().batchSize).toBeGreaterThan(0);
});

test('short prompts share a round up to the tokens of one chunk', async () => {
  const runner = new SumRunner(4);
  const scheduler = schedule(runner);
  const prompts = range(0, 4).map((i) => range(i * 50, 4));
  await Promise.all(prompts.map((prompt) => read(scheduler.submit(request(prompt, { maxTokens: 2 })))));
  // 4 + 4 of a chunk of 10, then those two decode, then the others.
  expect(runner.calls.map(({ slots }) => slots)).toEqual([[0], [1], [0, 1], [2], [3], [2, 3]]);
});

test('prompts take turns, so a short one behind a long one is soon answered', async () => {
  const runner = new SumRunner(2);
  const scheduler = schedule(runner);
  const long = read(scheduler.submit(request(range(0, 400))));
  await read(scheduler.submit(request(range(500, 15), { maxTokens: 1 })));
  expect(runner.calls.length).toBeLessThanOrEqual(5);
  await long;
});

test('a prompt continues from the prefix that its slot holds', async () => {
  const runner = new SumRunner(2);
  const scheduler = schedule(runner);
  const first = range(10, 30);
  await read(scheduler.submit(request(first)));
  const followUp = [...first, ...expected(first, 3), 7, 8];
  const generation = scheduler.submit(request(followUp));
  expect(await read(generation)).toEqual(expected(followUp, 3));
  // The last token of the first answer was never fed.
  expect(generation.cachedTokens).toBe(32);
  expect(runner.truncated).toEqual([
    [0, 0],
    [0, 32],
    [0, 32],
    [0, 37],
  ]);
  expect(scheduler.stats()).toMatchObject({
    prefixCacheQueries: 65,
    prefixCacheHits: 32,
    generationTokens: 6,
  });
});

test('progress of the prompt is told from the cached tokens on', async () => {
  const scheduler = schedule(new SumRunner(1));
  const progress: [number, number][] = [];
  await read(scheduler.submit(request(range(0, 25), { onPrefill: (...args) => progress.push(args) })));
  expect(progress).toEqual([
    [0, 25],
    [10, 25],
    [20, 25],
    [25, 25],
  ]);
});

test('a stop token ends the answer and is not part of it; ignoreEos goes on past the model own one', async () => {
  const [first = 0, second = 0] = expected([3, 4], 2);
  const ended = (changes: Partial<GenerateRequest>) => {
    const generation = schedule(new SumRunner(1), { eosTokenIds: [second] }).submit(request([3, 4], changes));
    return Promise.all([read(generation), generation.finishReason]);
  };
  expect(await ended({})).toEqual([[first], 'stop']);
  expect(await ended({ ignoreEos: true })).toEqual([expected([3, 4], 3), 'length']);
  expect(await ended({ ignoreEos: true, stopTokenIds: [first] })).toEqual([[], 'stop']);
});

test('the answer is cut to what is left of the context', async () => {
  const scheduler = schedule(new SumRunner(1));
  const generation = scheduler.submit(request(range(0, 498), { maxTokens: 99 }));
  expect([(await read(generation)).length, await generation.finishReason]).toEqual([2, 'length']);
});

test('an abort ends the step in flight and leaves the slot to the next request', async () => {
  const runner = new SumRunner(1);
  const scheduler = schedule(runner);
  const controller = new AbortController();
  runner.during = ([step]) => {
    if (step?.past !== 20) return undefined;
    queueMicrotask(() => controller.abort());
    return new Promise(() => undefined);
  };
  const aborted = scheduler.submit(request(range(0, 90)), controller.signal);
  const next = scheduler.submit(request(range(0, 15)));
  expect([await read(aborted), await aborted.finishReason]).toEqual([[], 'abort']);
  expect([await read(next), next.cachedTokens]).toEqual([expected(range(0, 15), 3), 14]);
  expect(scheduler.stats()).toMatchObject({ running: 0, waiting: 0 });
});

test('a request that is aborted while it waits, or before, never runs', async () => {
  const runner = new SumRunner(1);
  const scheduler = schedule(runner);
  const controller = new AbortController();
  const running = read(scheduler.submit(request(range(0, 30))));
  const waiting = scheduler.submit(request([1]), controller.signal);
  controller.abort();
  const late = scheduler.submit(request([1]), controller.signal);
  expect([await waiting.finishReason, await late.finishReason]).toEqual(['abort', 'abort']);
  await running;
  expect(runner.calls.every(({ tokens, past }) => tokens + (past[0] ?? 0) > 1)).toBe(true);
});

test('a reader that leaves early aborts its request', async () => {
  const scheduler = schedule(new SumRunner(1));
  const generation = scheduler.submit(request([1, 2], { maxTokens: 400 }));
  for await (const _ of generation.tokens) break;
  expect(await generation.finishReason).toBe('abort');
});

test('a step that fails costs its own request only', async () => {
  const runner = new SumRunner(2);
  const scheduler = schedule(runner);
  runner.during = (steps) =>
    steps.some(({ ids }) => ids.includes(666)) ? Promise.reject(new Error('out of memory')) : undefined;
  const failing = scheduler.submit(request([1, 666]));
  const other = scheduler.submit(request([1, 2]));
  await expect(read(failing)).rejects.toThrow('out of memory');
  await expect(failing.finishReason).rejects.toThrow('out of memory');
  expect(await read(other)).toEqual(expected([1, 2], 3));
});

test('a decode run that fails is repeated for each alone, and only who fails there is lost', async () => {
  const runner = new SumRunner(3);
  const scheduler = schedule(runner);
  const poisoned = expected([1, 2], 2)[1] ?? -1;
  runner.during = (steps) =>
    steps.some(({ ids, past }) => past === 3 && ids[0] === poisoned)
      ? Promise.reject(new Error('out of memory'))
      : undefined;
  const failing = read(scheduler.submit(request([1, 2], { maxTokens: 8 })));
  const others = [
    [1, 1],
    [5, 9],
  ].map((prompt) => read(scheduler.submit(request(prompt, { maxTokens: 8 }))));
  await expect(failing).rejects.toThrow('out of memory');
  expect(await Promise.all(others)).toEqual([expected([1, 1], 8), expected([5, 9], 8)]);
});

test('log-probabilities of the prompt come for every token but the first, chunk by chunk', async () => {
  const scheduler = schedule(new SumRunner(1));
  const prompt = [500, ...range(1, 24)];
  await read(scheduler.submit(request(prompt)));
  const generation = scheduler.submit(request(prompt, { promptLogprobs: 1, maxTokens: 1 }));
  const entries = (await generation.promptLogprobs) ?? [];
  const sums = prompt.map((_, i) => prompt.slice(0, i).reduce((sum, id) => sum + id, 0) % vocabularySize);
  const normalizer = Math.log(vocabularySize - 1 + Math.E);
  expect(entries.map((entry) => entry?.id)).toEqual([undefined, ...prompt.slice(1)]);
  expect(entries.map((entry) => entry?.topLogprobs[0]?.id)).toEqual([undefined, ...sums.slice(1)]);
  const second = entries[2];
  expect(second?.logprob).toBeCloseTo((second?.id === sums[2] ? 1 : 0) - normalizer, 5);
  expect(await read(generation)).toEqual(expected(prompt, 1));
  // Every token's logits are wanted, so none may come from a kept prefix.
  expect(generation.cachedTokens).toBe(0);
});

test('no new tokens: the prompt is read, and the request ends', async () => {
  const scheduler = schedule(new SumRunner(1));
  const generation = scheduler.submit(request(range(0, 500), { maxTokens: 0, promptLogprobs: 0 }));
  expect([await read(generation), await generation.finishReason]).toEqual([[], 'length']);
  expect((await generation.promptLogprobs)?.length).toBe(500);
});

test('without log-probabilities of the prompt, or when aborted before, there are none', async () => {
  const scheduler = schedule(new SumRunner(1));
  const plain = scheduler.submit(request([1, 2]));
  const aborted = scheduler.submit(request([1, 2], { promptLogprobs: 1 }), AbortSignal.abort());
  await read(plain);
  expect(await Promise.all([plain.promptLogprobs, aborted.promptLogprobs])).toEqual([null, null]);
});

test('prompts beyond the limit of waiting tokens are refused with the numbers; an idle slot takes any', async () => {
  const scheduler = schedule(new SumRunner(1), { maxQueuedTokens: 50 });
  const first = scheduler.submit(request(range(0, 100)));
  const second = scheduler.submit(request(range(0, 40)));
  const refused = () => scheduler.submit(request(range(0, 11)));
  expect(refused).toThrow(expect.objectContaining({ code: 'QUEUE_FULL' }));
  expect(refused).toThrow('40 prompt tokens wait already; with 11 more they pass the limit of 50');
  const third = scheduler.submit(request(range(0, 10)));
  expect(scheduler.stats()).toMatchObject({ waiting: 3, queuedTokens: 150 });
  await Promise.all([first, second, third].map(read));
  expect(scheduler.stats()).toMatchObject({ waiting: 0, queuedTokens: 0, running: 0 });
});

test('requests start only while their full lengths fit the memory', async () => {
  const runner = new SumRunner(3);
  // 8 bytes a token: two requests of 33 tokens, not three.
  const scheduler = schedule(runner, { kvMemory: 8 * 70 });
  const prompts = range(0, 3).map((i) => range(i * 100, 30));
  const answers = prompts.map((prompt) => read(scheduler.submit(request(prompt))));
  await Promise.resolve();
  await Promise.resolve();
  expect(scheduler.stats()).toMatchObject({ running: 2, waiting: 1, kvBytesReserved: 8 * 66 });
  expect(await Promise.all(answers)).toEqual(prompts.map((prompt) => expected(prompt, 3)));
  expect(scheduler.stats().kvBytesReserved).toBeLessThanOrEqual(8 * 70);
  expect(scheduler.stats().evictions).toBe(1);
});

test('guessed tokens change no answer, and take fewer runs where they come true', async () => {
  const [plain, guessing] = [new SumRunner(1), new SumRunner(1)];
  guessing.maxDraft = 4;
  // The sum doubles with every token, so the answer goes round after 100 of them, which the prompt holds.
  const prompt = [7, ...expected([7], 220)];
  const scheduler = schedule(guessing);
  const ask = (of: Scheduler, promptIds: number[]) => read(of.submit(request(promptIds, { maxTokens: 60 })));
  expect(await ask(scheduler, prompt)).toEqual(await ask(schedule(plain), prompt));
  const { draftTokens, draftAccepted, generationTokens } = scheduler.stats();
  expect({ generationTokens, all: draftAccepted <= draftTokens }).toEqual({
    generationTokens: 60,
    all: true,
  });
  expect(draftAccepted).toBeGreaterThan(30);
  expect(guessing.calls.length).toBeLessThan(plain.calls.length - 30);
  // The slot holds what was accepted and nothing of a wrong guess.
  const followUp = [...prompt, ...expected(prompt, 60), 7];
  expect(await ask(scheduler, followUp)).toEqual(expected(followUp, 60));
});

test('a stop token among guessed tokens ends the answer there', async () => {
  const runner = new SumRunner(1);
  runner.maxDraft = 4;
  const prompt = [7, ...expected([7], 220)];
  const answer = expected(prompt, 30);
  const stop = answer[20] ?? -1;
  const generation = schedule(runner).submit(request(prompt, { maxTokens: 60, stopTokenIds: [stop] }));
  expect(await read(generation)).toEqual(answer.slice(0, answer.indexOf(stop)));
  expect(await generation.finishReason).toBe('stop');
});

test('every run is told with its phase, tokens and sequences', async () => {
  const steps: unknown[] = [];
  const scheduler = schedule(new SumRunner(1), { onStep: ({ seconds: _, ...step }) => steps.push(step) });
  await read(scheduler.submit(request(range(0, 15), { maxTokens: 2 })));
  expect(steps).toEqual([
    { phase: 'prefill', tokens: 10, sequences: 1 },
    { phase: 'prefill', tokens: 5, sequences: 1 },
    { phase: 'decode', tokens: 1, sequences: 1 },
  ]);
});

test('closing aborts what runs and waits, closes the runner once, and refuses new requests', async () => {
  const runner = new SumRunner(1);
  const scheduler = schedule(runner);
  const reached = Promise.withResolvers<void>();
  runner.during = () => {
    reached.resolve();
    return new Promise(() => undefined);
  };
  const generations = [scheduler.submit(request([1, 2])), scheduler.submit(request([3]))];
  await reached.promise;
  await Promise.all([scheduler.close(), scheduler.close()]);
  await scheduler.close();
  expect(await Promise.all(generations.map(({ finishReason }) => finishReason))).toEqual(['abort', 'abort']);
  expect(runner.closed).toBe(1);
  expect(() => scheduler.submit(request([1]))).toThrow(expect.objectContaining({ code: 'ENGINE_CLOSED' }));
});
