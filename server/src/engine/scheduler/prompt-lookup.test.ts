import { expect, test } from 'vitest';
import { PromptLookup } from './prompt-lookup.ts';

test('proposes what followed the latest earlier occurrence of the longest ending', () => {
  const lookup = new PromptLookup([1, 2, 3, 4, 50, 60, 9, 3, 4, 70, 80, 1, 2, 3, 4], 7);
  expect(lookup.propose(7)).toEqual([50, 60, 9]);
  lookup.push(50);
  expect(lookup.propose(2)).toEqual([60, 9]);
});

test('proposes nothing where the text has not been before, or where there is no room', () => {
  const lookup = new PromptLookup([1, 2, 3, 4, 5], 7);
  expect(lookup.propose(7)).toEqual([]);
  lookup.push(2);
  lookup.push(3);
  expect([lookup.propose(0), lookup.propose(7)]).toEqual([[], [4, 5, 2]]);
});

test('guesses grow while they come true, up to the limit, and shrink to what did', () => {
  const lookup = new PromptLookup([...Array.from({ length: 40 }, (_, i) => i), 0, 1, 2], 7);
  const counts = [3, 6, 7, 7].map((accepted) => {
    const { length } = lookup.propose(100);
    lookup.judge(length, accepted);
    return length;
  });
  expect(counts).toEqual([3, 6, 7, 7]);
  lookup.judge(7, 2);
  expect(lookup.propose(100)).toEqual([3, 4]);
});

test('wholly wrong guesses are followed by ever longer pauses', () => {
  const lookup = new PromptLookup([1, 2, 3, 1, 2], 7);
  const guessed: number[] = [];
  for (let step = 0; step < 20; step++) {
    const { length } = lookup.propose(100);
    if (length === 0) continue;
    guessed.push(step);
    lookup.judge(length, 0);
  }
  expect(guessed).toEqual([0, 2, 5, 10, 19]);
});

test('what repeats at the end of the text is expected to go on', () => {
  expect(new PromptLookup([9, 1, 2, 1, 2, 1, 2], 7).propose(7)).toEqual([1, 2, 1]);
});
