import { expect, test } from 'vitest';
import type { Constraint } from '../sampling/constraint.ts';
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

test('guessed tokens wait for the masks of a grammar that is always late', async () => {
  const runner = new SumRunner(1);
  runner.maxDraft = 4;
  const prompt = [7, ...expected([7], 220)];
  let [told, known] = [0, -1];
  const constraint: Constraint = {
    ready: () => {
      if (known === told) return undefined;
      return new Promise((resolve) =>
        setImmediate(() => {
          known = told;
          resolve();
        }),
      );
    },
    apply: () => {
      if (known !== told) throw new Error(`applied after ${told} tokens with the mask of ${known}`);
    },
    accept: () => {
      told += 1;
    },
    close: () => undefined,
  };
  const scheduler = schedule(runner, { constrain: () => constraint });
  const asked = request(prompt, { maxTokens: 60, grammar: { type: 'json_object' } });
  expect(await read(scheduler.submit(asked))).toEqual(expected(prompt, 60));
  expect(scheduler.stats().draftAccepted).toBeGreaterThan(30);
});
