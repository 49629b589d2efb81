/** Reasons to drop a pair of answers. Pure; each drop is counted under its reason. */
import type { GenerationSettings } from '@longpo/api';
import type { DropReason } from './drops.ts';

const refusals = [
  "i'm sorry, but",
  'i am sorry, but',
  'i apologize, but',
  'i cannot answer',
  "i can't answer",
  'i cannot provide',
  "i can't provide",
  'i cannot help',
  "i can't help",
  'i am unable to',
  "i'm unable to",
  'i am not able to',
  "i'm not able to",
  'as an ai',
  'as a language model',
  'as an artificial intelligence',
  "i don't have access to",
  'i do not have access to',
  "i don't have enough information",
  'i do not have enough information',
  'not enough information',
  'the text does not provide',
  'the text does not mention',
  'the text does not contain',
  'the passage does not mention',
  'the context does not provide',
  'no information is provided',
  'it is not possible to answer',
  'cannot be answered',
  'cannot be determined from',
] as const;

const minWords = 2;
const minWordLetters = 3;

function wordsOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []).filter((word) => word.length >= minWordLetters);
}

/** Share of the word occurrences that belong to words used more than once. */
export function repetition(text: string): number {
  const words = wordsOf(text);
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return words.length === 0 ? 0 : words.filter((word) => (counts.get(word) ?? 0) > 1).length / words.length;
}

function answerProblem(text: string, maxRepetition: number, refusalsToo: boolean): DropReason | undefined {
  if (text.trim() === '') return 'empty';
  const lower = text.toLowerCase().replaceAll('\u2019', "'");
  if (refusalsToo && refusals.some((phrase) => lower.includes(phrase))) return 'refusal';
  if (wordsOf(text).length < minWords) return 'too_few_words';
  return repetition(text) > maxRepetition ? 'repetition' : undefined;
}

export function pairProblem(
  chosen: string,
  rejected: string,
  filter: GenerationSettings['filter'],
): DropReason | undefined {
  const problem =
    answerProblem(chosen, filter.maxRepetitionChosen, filter.refusals) ??
    answerProblem(rejected, filter.maxRepetitionRejected, filter.refusals);
  if (problem) return problem;
  return filter.identical && chosen.trim() === rejected.trim() ? 'identical' : undefined;
}

const wordSet = (text: string): Set<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}']+/gu));

/** Share of their words, in common, from which on two questions ask the same. */
const sameQuestion = 0.8;

/** Two turns of a row that ask the same teach one thing twice. */
export function isNearDuplicate(a: string, b: string): boolean {
  const [first, second] = [wordSet(a), wordSet(b)];
  const common = [...first].filter((word) => second.has(word)).length;
  const union = first.size + second.size - common;
  return union > 0 && common / union >= sameQuestion;
}
