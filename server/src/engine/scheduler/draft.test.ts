import { expect, test } from 'vitest';
import { expected, read, request, SumRunner, schedule } from './fixture.ts';
import type { Scheduler } from './scheduler.ts';

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
