/** Log-probabilities of tokens, in the shapes of the two endpoints. */
import { setImmediate } from 'node:timers/promises';
import type { Tokenizer } from '@longpo/tokens';
import type { GeneratedToken, PromptToken, TokenLogprob } from '../engine/engine.ts';
import type { TextOffsets } from './text-offsets.ts';

/** JSON has no -Infinity; vLLM's floor. */
const floor = -9999;
const finite = (logprob: number | null): number => Math.max(logprob ?? floor, floor);

const textOf = (tokenizer: Tokenizer, id: number): string =>
  tokenizer.decode([id], { skipSpecialTokens: false });

function entry(tokenizer: Tokenizer, id: number, logprob: number | null) {
  const token = textOf(tokenizer, id);
  return { token, logprob: finite(logprob), bytes: [...Buffer.from(token)] };
}

export function chatLogprobs(tokenizer: Tokenizer, tokens: readonly GeneratedToken[]): object {
  return {
    content: tokens.map(({ id, logprob, topLogprobs }) => ({
      ...entry(tokenizer, id, logprob),
      top_logprobs: topLogprobs.map((top) => entry(tokenizer, top.id, top.logprob)),
    })),
    refusal: null,
  };
}

/** A token with what is known of its place; nothing is where nothing stands before it. */
export interface PlacedToken {
  readonly id: number;
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

/** The prompt as the beginning of an answer. */
export const placedPrompt = (
  ids: readonly number[],
  logprobs: readonly (PromptToken | null)[],
): PlacedToken[] => ids.map((id, i) => logprobs[i] ?? { id, logprob: null, topLogprobs: null });

/** The likeliest tokens and the chosen one; tokens whose text is the same, as parts of characters are, stay apart. */
function topLogprobs(
  tokenizer: Tokenizer,
  { id, logprob, topLogprobs: top }: PlacedToken,
): Record<string, number> | null {
  if (top === null) return null;
  const all = top.some((other) => other.id === id) ? top : [...top, { id, logprob: finite(logprob) }];
  const named = new Map<string, number>();
  for (const token of all) {
    const text = textOf(tokenizer, token.id);
    named.set(named.has(text) ? `token_id:${token.id}` : text, finite(token.logprob));
  }
  return Object.fromEntries(named);
}

/** One entry a token in each of the lists. */
export interface CompletionLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
  /** Where the tokens begin in the text. */
  readonly text_offset: readonly number[];
}

/** A whole context takes seconds; whatever else the server does has its turn in between. */
const tokensPerTurn = 512;

export async function completionLogprobs(
  tokenizer: Tokenizer,
  tokens: readonly PlacedToken[],
  offsets: TextOffsets,
): Promise<CompletionLogprobs> {
  const parts: CompletionLogprobs[] = [];
  for (let from = 0; from < tokens.length; from += tokensPerTurn) {
    if (from > 0) await setImmediate();
    parts.push(logprobsOf(tokenizer, tokens.slice(from, from + tokensPerTurn), offsets));
  }
  return joinedLogprobs(parts);
}

const logprobsOf = (
  tokenizer: Tokenizer,
  tokens: readonly PlacedToken[],
  offsets: TextOffsets,
): CompletionLogprobs => ({
  tokens: tokens.map(({ id }) => textOf(tokenizer, id)),
  token_logprobs: tokens.map(({ logprob, topLogprobs }) => (topLogprobs === null ? null : finite(logprob))),
  top_logprobs: tokens.map((token) => topLogprobs(tokenizer, token)),
  text_offset: offsets.place(tokens.map(({ id }) => id)),
});

export const joinedLogprobs = (parts: readonly CompletionLogprobs[]): CompletionLogprobs => ({
  tokens: parts.flatMap(({ tokens }) => tokens),
  token_logprobs: parts.flatMap(({ token_logprobs }) => token_logprobs),
  top_logprobs: parts.flatMap(({ top_logprobs }) => top_logprobs),
  text_offset: parts.flatMap(({ text_offset }) => text_offset),
});
