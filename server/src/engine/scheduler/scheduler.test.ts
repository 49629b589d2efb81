import { expect, test } from 'vitest';
import type { GeneratedToken, GenerateRequest, Generation } from '../engine.ts';
import type { Runner, Step } from './runner.ts';
import { Scheduler } from './scheduler.ts';

const vocabularySize = 1000;

/** A model whose next token is the sum of all tokens so far: it notices any step on the wrong slot or position. */
class SumRunner implements Runner {
  readonly slots: number;
  readonly positions = 500;
  readonly chunkTokens = 10;
  readonly vocabularySize = vocabularySize;
  readonly steps: { slot: number; tokens: number; past: number }[] = [];
  readonly truncated: [slot: number, length: number][] = [];
  /** Called within every step; what it returns is waited for. */
  during: (step: Step) => unknown = () => undefined;
  closed = 0;
  #terminate: ((error: Error) => void) | undefined;
  readonly #tokens: number[][];

  constructor(slots: number) {
    this.slots = slots;
    this.#tokens = Array.from({ length: slots }, () => []);
  }

  async run(step: Step): Promise<Float32Array> {
    if (this.#terminate) throw new Error('two steps at once');
    const { promise, reject } = Promise.withResolvers<never>();
    this.#terminate = reject;
    try {
      this.steps.push({ slot: step.slot, tokens: step.ids.length, past: step.past });
      await Promise.race([this.during(step), promise]);
    } finally {
      this.#terminate = undefined;
    }
    const tokens = this.#tokens[step.slot] ?? [];
    tokens.splice(step.past, Number.POSITIVE_INFINITY, ...step.ids);
    const logits = new Float32Array(vocabularySize);
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
  promptIds,
  maxTokens: 3,
  temperature: 0,
  topP: 1,
  topK: 0,
  seed: null,
  stopTokenIds: [],
  ignoreEos: false,
  topLogprobs: null,
  ...changes,
});

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
  const scheduler = new Scheduler(new SumRunner(2), []);
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
  const scheduler = new Scheduler(runner, []);
  const short = read(scheduler.submit(request([1, 2], { maxTokens: 12 })));
  const long = [range(0, 95), range(300, 95)].map((prompt) => read(scheduler.submit(request(prompt))));
  await short;
  const [own] = runner.steps;
  const decodes = runner.steps.flatMap(({ slot }, i) => (slot === own?.slot ? [i] : []));
  const gaps = decodes.slice(1).map((at, i) => at - (decodes[i] ?? 0));
  expect(Math.max(...gaps)).toBe(2);
  await Promise.all(long);
});

test('prompts take turns, so a short one behind a long one is soon answered', async () => {
  const runner = new SumRunner(2);
  const scheduler = new Scheduler(runner, []);
  const long = read(scheduler.submit(request(range(0, 400))));
  await read(scheduler.submit(request(range(500, 15), { maxTokens: 1 })));
  expect(runner.steps.length).toBeLessThanOrEqual(5);
  await long;
});

test('a prompt continues from the prefix that its slot holds', async () => {
  const runner = new SumRunner(2);
  const scheduler = new Scheduler(runner, []);
  const first = range(10, 30);
  await read(scheduler.submit(request(first)));
  const followUp = [...first, ...expected(first, 3), 7, 8];
  const generation = scheduler.submit(request(followUp));
  expect(await read(generation)).toEqual(expected(followUp, 3));
  // The last token of the first answer was never fed.
  expect(generation.cachedTokens).toBe(32);
  expect(runner.truncated.at(-1)).toEqual([0, 32]);
  expect(scheduler.stats()).toMatchObject({
    prefixCacheQueries: 65,
    prefixCacheHits: 32,
    generationTokens: 6,
  });
});

test('progress of the prompt is told from the cached tokens on', async () => {
  const scheduler = new Scheduler(new SumRunner(1), []);
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
    const generation = new Scheduler(new SumRunner(1), [second]).submit(request([3, 4], changes));
    return Promise.all([read(generation), generation.finishReason]);
  };
  expect(await ended({})).toEqual([[first], 'stop']);
  expect(await ended({ ignoreEos: true })).toEqual([expected([3, 4], 3), 'length']);
  expect(await ended({ ignoreEos: true, stopTokenIds: [first] })).toEqual([[], 'stop']);
});

test('the answer is cut to what is left of the context', async () => {
  const scheduler = new Scheduler(new SumRunner(1), []);
  const generation = scheduler.submit(request(range(0, 498), { maxTokens: 99 }));
  expect([(await read(generation)).length, await generation.finishReason]).toEqual([2, 'length']);
});

test('an abort ends the step in flight and leaves the slot to the next request', async () => {
  const runner = new SumRunner(1);
  const scheduler = new Scheduler(runner, []);
  const controller = new AbortController();
  runner.during = ({ past }) => {
    if (past !== 20) return undefined;
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
  const scheduler = new Scheduler(runner, []);
  const controller = new AbortController();
  const running = read(scheduler.submit(request(range(0, 30))));
  const waiting = scheduler.submit(request([1]), controller.signal);
  controller.abort();
  const late = scheduler.submit(request([1]), controller.signal);
  expect([await waiting.finishReason, await late.finishReason]).toEqual(['abort', 'abort']);
  await running;
  expect(runner.steps.every(({ tokens, past }) => tokens + past > 1)).toBe(true);
});

test('a reader that leaves early aborts its request', async () => {
  const scheduler = new Scheduler(new SumRunner(1), []);
  const generation = scheduler.submit(request([1, 2], { maxTokens: 400 }));
  for await (const _ of generation.tokens) break;
  expect(await generation.finishReason).toBe('abort');
});

test('a step that fails costs its own request only', async () => {
  const runner = new SumRunner(2);
  const scheduler = new Scheduler(runner, []);
  runner.during = ({ ids }) => (ids.includes(666) ? Promise.reject(new Error('out of memory')) : undefined);
  const failing = scheduler.submit(request([1, 666]));
  const other = scheduler.submit(request([1, 2]));
  await expect(read(failing)).rejects.toThrow('out of memory');
  await expect(failing.finishReason).rejects.toThrow('out of memory');
  expect(await read(other)).toEqual(expected([1, 2], 3));
});

test('closing aborts what runs and waits, closes the runner once, and refuses new requests', async () => {
  const runner = new SumRunner(1);
  const scheduler = new Scheduler(runner, []);
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
