import { expect, test } from 'vitest';
import { expected, range, read, request, SumRunner, schedule, vocabularySize } from './fixture.ts';

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
