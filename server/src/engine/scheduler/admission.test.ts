import { expect, test } from 'vitest';
import { expected, range, read, request, SumRunner, schedule } from './fixture.ts';

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
