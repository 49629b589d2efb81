/** Completions as OpenAI shows them, whole or in chunks; an echo is the beginning of its answer. */
import type { Tokenizer } from '@longpo/tokens';
import type { GeneratedToken } from '../engine/engine.ts';
import type { Face } from './answer.ts';
import type { CompletionRequest } from './completion-request.ts';
import { type TextGeneration, usageOf } from './generation.ts';
import { completionLogprobs, joinedLogprobs, type PlacedToken, placedPrompt } from './logprobs.ts';
import { merged } from './merge.ts';
import { TextOffsets } from './text-offsets.ts';

/** The prompt of a choice, as an echo shows it. */
export interface PromptEcho {
  readonly text: string;
  readonly ids: readonly number[];
}

export function completionFace(
  head: object,
  request: CompletionRequest,
  { tokenizer, echoes }: { tokenizer: Tokenizer; echoes: readonly PromptEcho[] },
): Face {
  const usage = request.stream_options?.include_usage ? { usage: null } : {};
  const logprobsOf = async (tokens: readonly PlacedToken[], offsets: TextOffsets) =>
    request.logprobs == null ? null : completionLogprobs(tokenizer, tokens, offsets);
  /** What stands before the generated text of a choice, and where the tokens of that are. */
  const echoOf = async (generation: TextGeneration, index: number) => {
    const { text: prompt, ids } = echoes[index] ?? { text: '', ids: [] };
    const text = request.echo ? prompt : '';
    const offsets = new TextOffsets(tokenizer.streamDecoder({ after: ids }), text.length);
    if (!request.echo) return { text, logprobs: null, offsets };
    const tokens = placedPrompt(ids, (await generation.promptLogprobs) ?? []);
    const ofPrompt = new TextOffsets(tokenizer.streamDecoder({ skipSpecialTokens: false }));
    return { text, logprobs: await logprobsOf(tokens, ofPrompt), offsets };
  };
  const choiceOf = async (generation: TextGeneration, index: number) => {
    let text = '';
    const tokens: GeneratedToken[] = [];
    for await (const piece of generation.pieces()) {
      text += piece.text;
      if (piece.token) tokens.push(piece.token);
    }
    const echo = await echoOf(generation, index);
    const ofAnswer = await logprobsOf(tokens, echo.offsets);
    const logprobs = echo.logprobs && ofAnswer ? joinedLogprobs([echo.logprobs, ofAnswer]) : ofAnswer;
    return { index, text: echo.text + text, logprobs, finish_reason: generation.finish };
  };
  async function* chunksOf(generation: TextGeneration, index: number) {
    const chunk = (text: string, finish_reason: string | null, logprobs: object | null = null) => ({
      ...head,
      choices: [{ index, text, logprobs, finish_reason }],
      ...usage,
    });
    const echo = await echoOf(generation, index);
    if (request.echo) yield chunk(echo.text, null, echo.logprobs);
    for await (const { text, token } of generation.pieces()) {
      const logprobs = token ? await logprobsOf([token], echo.offsets) : null;
      if (text !== '' || logprobs) yield chunk(text, null, logprobs);
    }
    yield chunk('', generation.finish);
  }
  return {
    async whole(generations) {
      const choices = await Promise.all(generations.map(choiceOf));
      return { ...head, choices, usage: usageOf(generations) };
    },
    async *chunks(generations) {
      yield* merged(generations.map(chunksOf));
      if (request.stream_options?.include_usage) yield { ...head, choices: [], usage: usageOf(generations) };
    },
  };
}
