import { expect, test } from 'vitest';
import { abortDuring, expected, range, read, request, SumRunner, schedule } from './fixture.ts';
import { copyMemory } from './shared-prefix.ts';

const document = range(0, 45);
const tokensRun = ({ calls }: SumRunner): number => calls.reduce((sum, { tokens }) => sum + tokens, 0);

test('of requests on one document that come together, one reads it', async () => {
  const runner = new SumRunner(3);
  const scheduler = schedule(runner);
  const prompts = [7, 8, 9].map((question) => [...document, question, 1]);
  const generations = prompts.map((prompt) => scheduler.submit(request(prompt, { maxTokens: 1 })));
  expect(await Promise.all(generations.map(read))).toEqual(prompts.map((prompt) => expected(prompt, 1)));
  expect(generations.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 45, 45]);
  expect(tokensRun(runner)).toBe(45 + 3 * 2);
  expect(scheduler.stats()).toMatchObject({ prefixCacheQueries: 3 * 47, prefixCacheHits: 2 * 45 });
});

test('one that comes while the answer to another is written copies what that one has read', async () => {
  const runner = new SumRunner(2);
  const scheduler = schedule(runner);
  const first = scheduler.submit(request([...document, 7], { maxTokens: 30 }));
  const answer: number[] = [];
  let second: Promise<number[]> | undefined;
  for await (const { id } of first.tokens) {
    answer.push(id);
    second ??= read(scheduler.submit(request([...document, 8])));
  }
  expect(answer).toEqual(expected([...document, 7], 30));
  expect(await second).toEqual(expected([...document, 8], 3));
  expect(runner.calls.filter(({ slots: [slot] }) => slot === 1)[0]).toMatchObject({ tokens: 1, past: [45] });
});

test('where the one that reads is given up, the next goes on from there', async () => {
  const runner = new SumRunner(2);
  const scheduler = schedule(runner);
  const controller = abortDuring(runner, 20);
  const left = scheduler.submit(request([...document, 7]), controller.signal);
  const next = scheduler.submit(request([...document, 8]));
  await left.finishReason;
  runner.during = () => undefined;
  expect(await read(next)).toEqual(expected([...document, 8], 3));
  expect(next.cachedTokens).toBe(20);
});

test('one that is given up while it waits is let go', async () => {
  const runner = new SumRunner(2);
  const scheduler = schedule(runner);
  const controller = new AbortController();
  runner.during = () => queueMicrotask(() => controller.abort());
  const first = read(scheduler.submit(request([...document, 7])));
  const left = scheduler.submit(request([...document, 8]), controller.signal);
  expect([await read(left), await left.finishReason]).toEqual([[], 'abort']);
  expect(await first).toEqual(expected([...document, 7], 3));
});

test('a prompt whose log-probabilities are wanted is read whole, and so is one that shares less than a chunk', async () => {
  const runner = new SumRunner(3);
  const scheduler = schedule(runner);
  const prompts = [document, document, [...range(0, 9), ...range(100, 9)]];
  const generations = prompts.map((prompt, i) =>
    scheduler.submit(request(prompt, { maxTokens: 1, promptLogprobs: i === 1 ? 0 : null })),
  );
  expect(await Promise.all(generations.map(read))).toEqual(prompts.map((prompt) => expected(prompt, 1)));
  expect(generations.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 0, 0]);
});

test('memory is copied whole, in pieces', async () => {
  const bytes = (length: number, seed: number) => new Uint8Array(length).map((_, i) => (i * seed) % 251);
  const from = [bytes(9_000_000, 7), bytes(10, 3), new Uint8Array(0)];
  const to = from.map(({ length }) => new Uint8Array(length + 5));
  await copyMemory(from, to);
  for (const [i, source] of from.entries()) {
    expect(to[i]?.subarray(0, source.length)).toEqual(source);
    expect(to[i]?.subarray(source.length)).toEqual(new Uint8Array(5));
  }
});
