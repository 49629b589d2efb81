import { generationSettings } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { isNearDuplicate, pairProblem, repetition } from './filters.ts';

const { filter } = generationSettings.parse({});
const good = 'The captain mended the mast with timber.';
const other = 'Nobody slept until morning.';

describe('a pair of answers', () => {
  it('is kept when both say something, and not the same', () => {
    expect(pairProblem(good, other, filter)).toBeUndefined();
  });

  it.each([
    ['empty', ''],
    ['empty', ' \n'],
    ['too_few_words', 'Yes.'],
    ['too_few_words', '42 is it'],
    ['refusal', "I'm sorry, but I can't tell."],
    ['refusal', 'I\u2019m unable to find that in the text.'],
    ['refusal', 'As an AI language model, I have no opinion.'],
    ['refusal', 'The text does not mention a captain.'],
    ['repetition', 'the mast the mast the mast the mast the mast'],
  ])('is dropped as %s with %j on either side', (reason, text) => {
    expect([pairProblem(text, good, filter), pairProblem(good, text, filter)]).toEqual([reason, reason]);
  });

  it('may refuse, or be the same, where the settings allow it', () => {
    const refusal = 'I cannot answer that question.';
    expect(pairProblem(refusal, good, { ...filter, refusals: false })).toBeUndefined();
    expect(pairProblem(good, ` ${good}`, filter)).toBe('identical');
    expect(pairProblem(good, good, { ...filter, identical: false })).toBeUndefined();
  });

  it('has a limit of repetition for each side', () => {
    // 10 of 11 words occur twice: 0.909, between 0.9 and 0.95.
    const text = 'red red blue blue green green black black white white once';
    expect(repetition(text)).toBeCloseTo(10 / 11);
    expect(pairProblem(text, good, filter)).toBe('repetition');
    expect(pairProblem(good, text, filter)).toBeUndefined();
    expect(pairProblem(good, text, { ...filter, maxRepetitionRejected: 0.9 })).toBe('repetition');
    expect(pairProblem(text, good, { ...filter, maxRepetitionChosen: 10 / 11 })).toBeUndefined();
  });
});

describe('two questions', () => {
  it('are the same when they share nearly all their words', () => {
    const question = 'Who told the crew about the storm near the shore?';
    expect(isNearDuplicate(question, 'who told THE CREW about the storm, near the shore')).toBe(true);
    expect(isNearDuplicate(question, 'Who mended the mast after the storm?')).toBe(false);
    expect(isNearDuplicate('?', '!')).toBe(false);
  });
});
