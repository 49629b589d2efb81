/** One item: a question on a chunk, the answer on the chunk, the answer on the whole document. */
import type { GenerateConfig } from '@longpo/api';
import * as z from 'zod';
import type { Completions } from './completions.ts';
import type { DropReason } from './drops.ts';
import { pairProblem } from './filters.ts';
import type { Piece } from './pieces.ts';
import { contextPrompt, instruction, questionPrompt } from './prompts.ts';
import { parseQuestions } from './questions.ts';
import { pick, requestSeed } from './seed.ts';

export const item = z.strictObject({
  /** `<piece id>/<chunk index>` */
  id: z.string(),
  /** As the model wrote it, without the lead-in. */
  question: z.string().optional(),
  chosen: z.string().optional(),
  rejected: z.string().optional(),
  /** Set when nothing of it is used. */
  dropped: z.custom<DropReason>((value) => typeof value === 'string').optional(),
  tokens: z.int().describe('Prompt and completion tokens that it cost.'),
  truncated: z.int().describe('Answers that ended at maxTokens.'),
});
export type Item = z.infer<typeof item>;

export const itemId = (piece: Piece, chunk: number): string => `${piece.id}/${chunk}`;

export async function makeItem(
  piece: Piece,
  n: number,
  config: GenerateConfig,
  { ask }: Pick<Completions, 'ask'>,
  signal: AbortSignal,
): Promise<Item> {
  const id = itemId(piece, n);
  const chunk = piece.chunks[n] ?? '';
  const { seed } = config;
  const cost = { tokens: 0, truncated: 0 };
  const request = async (kind: string, prompt: string, decoding: GenerateConfig['answer']) => {
    const reply = await ask({ prompt, decoding, seed: requestSeed(seed, id, kind) }, signal);
    cost.tokens += reply.tokens;
    return reply;
  };
  const answer = async (kind: string, prompt: string) => {
    const reply = await request(kind, prompt, config.answer);
    if (reply.end === 'length') cost.truncated++;
    return { ...reply, text: reply.text.trim() };
  };
  const drop = (dropped: DropReason): Item => ({ id, dropped, ...cost });

  const asked = await request('question', questionPrompt(chunk, config.questionsPerChunk), config.question);
  if (asked.end === 'too_long') return drop('context_length');
  const question = pick(parseQuestions(asked.text, asked.end === 'length'), seed, id, 'pick');
  if (question === undefined) return drop('no_question');
  const turn = instruction(question, seed, id);
  const chosen = await answer('chosen', contextPrompt(chunk, turn));
  const rejected = await answer('rejected', contextPrompt(piece.text, turn));
  if (chosen.end === 'too_long' || rejected.end === 'too_long') return drop('context_length');
  const problem = pairProblem(chosen.text, rejected.text, config.filter);
  return problem ? drop(problem) : { id, question, chosen: chosen.text, rejected: rejected.text, ...cost };
}
