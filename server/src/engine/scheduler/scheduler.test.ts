import { expect, test } from 'vitest';
import type { GenerateRequest } from '../engine.ts';
import type { Constraint } from '../sampling/constraint.ts';
import type { Grammar } from '../sampling/grammar.ts';
import { abortDuring, expected, range, read, request, SumRunner, schedule } from './fixture.ts';

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
  expect(runner.expected).toEqual([
    [0, 30],
    [0, 35],
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
  const controller = abortDuring(runner, 20);
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

test('a grammar holds the answer, token by token, and is let go at its end', async () => {
  const grammar = { type: 'json_object' } as const;
  const told: unknown[] = [];
  const constrain = (asked: Grammar): Constraint => {
    told.push(asked);
    return {
      ready: () => undefined,
      // Only even tokens.
      apply: (logits) =>
        logits.set(logits.map((logit, id) => (id % 2 === 1 ? Number.NEGATIVE_INFINITY : logit))),
      accept: (id) => told.push(id),
      close: () => told.push('closed'),
    };
  };
  const scheduler = schedule(new SumRunner(1), { constrain });
  const answer = await read(scheduler.submit(request([3], { grammar })));
  expect(answer.every((id) => id % 2 === 0)).toBe(true);
  expect(told).toEqual([grammar, ...answer, 'closed']);
});

/** Allows everything, but is ready for one of the tokens only with the mask. */
function slowConstraint(turn: number, mask: Promise<void>): Constraint {
  let [asked, there] = [0, false];
  void mask.then(() => {
    there = true;
  });
  return {
    ready: () => (asked === turn && !there ? mask : undefined),
    apply: () => undefined,
    accept: () => {
      asked += 1;
    },
    close: () => undefined,
  };
}

test.each([0, 1, 2])('others go on while a grammar is not ready for token %i', async (turn) => {
  const mask = Promise.withResolvers<void>();
  const scheduler = schedule(new SumRunner(2), { constrain: () => slowConstraint(turn, mask.promise) });
  const held = scheduler.submit(request([1, 2], { grammar: { type: 'json_object' } }));
  const tokens = read(held);
  for (const promptIds of [[3], [4, 5], range(6, 30)])
    expect(await read(scheduler.submit(request(promptIds)))).toEqual(expected(promptIds, 3));
  expect(scheduler.stats()).toMatchObject({ running: 1 });
  mask.resolve();
  expect(await tokens).toEqual(expected([1, 2], 3));
});

test('a request that waits for its grammar is let go when it is aborted, and when the scheduler closes', async () => {
  const never = new Promise<void>(() => undefined);
  const scheduler = schedule(new SumRunner(2), { constrain: () => slowConstraint(1, never) });
  const controller = new AbortController();
  const asked = request([1, 2], { grammar: { type: 'json_object' } });
  const left = scheduler.submit(asked, controller.signal);
  const closed = scheduler.submit(asked);
  // Its first token is there, the second one waits.
  for await (const _ of left.tokens) {
    controller.abort();
  }
  expect(await left.finishReason).toBe('abort');
  expect(scheduler.stats()).toMatchObject({ running: 1 });
  await scheduler.close();
  expect(await closed.finishReason).toBe('abort');
});

test('a grammar that nothing can hold an answer to is refused', () => {
  const scheduler = schedule(new SumRunner(1));
  const submit = () => scheduler.submit(request([3], { grammar: { type: 'json_object' } }));
  expect(submit).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }));
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
