/** One item: a question on a chunk, the answer on the chunk, the answer on the whole document. */
import type { GenerateConfig } from '@longpo/api';
import * as z from 'zod';
import type { Completions } from './completions.ts';
import { type DropReason, pairProblem } from './filters.ts';
import { contextPrompt, instruction, parseQuestions, questionPrompt } from './prompts.ts';
import { pick, requestSeed } from './seed.ts';
import type { Piece } from './tasks.ts';

export const item = z.strictObject({
  /** `<piece id>/<chunk index>` */
  id: z.string(),
  question: z.string().optional(),
  chosen: z.string().optional(),
  rejected: z.string().optional(),
  /** Set when nothing of it is used. */
  dropped: z.string().optional(),
  tokens: z.int().describe('Prompt and completion tokens that it cost.'),
});
export type Item = z.infer<typeof item>;

export const itemId = (piece: Piece, chunk: number): string => `${piece.id}/${chunk}`;

export async function makeItem(
  piece: Piece,
  n: number,
  config: GenerateConfig,
  ask: Completions,
): Promise<Item> {
  const id = itemId(piece, n);
  const chunk = piece.chunks[n] ?? '';
  const { seed } = config;
  let tokens = 0;
  const request = async (kind: string, prompt: string, decoding: GenerateConfig['answer']) => {
    const reply = await ask(prompt, decoding, requestSeed(seed, id, kind));
    tokens += reply.tokens;
    return reply;
  };
  const drop = (dropped: DropReason): Item => ({ id, dropped, tokens });

  const asked = await request('question', questionPrompt(chunk, config.questionsPerChunk), config.question);
  if (asked.tooLong) return drop('context_length');
  const question = pick(parseQuestions(asked.text), seed, id, 'pick');
  if (question === undefined) return drop('no_question');
  const turn = instruction(question, seed, id);
  const chosen = await request('chosen', contextPrompt(chunk, turn), config.answer);
  const rejected = await request('rejected', contextPrompt(piece.text, turn), config.answer);
  if (chosen.tooLong || rejected.tooLong) return drop('context_length');
  const pair = { chosen: chosen.text.trim(), rejected: rejected.text.trim() };
  const problem = pairProblem(pair.chosen, pair.rejected, config.filter);
  return problem ? drop(problem) : { id, question: turn, ...pair, tokens };
}
