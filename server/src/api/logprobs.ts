/** Log-probabilities of tokens, in the shapes of the two endpoints. */
import type { Tokenizer } from '@longpo/tokens';
import type { GeneratedToken, PromptToken, TokenLogprob } from '../engine/engine.ts';

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

/** `offset` is the length of the text of the tokens before. */
export function completionLogprobs(tokenizer: Tokenizer, tokens: readonly PlacedToken[], offset = 0) {
  const texts = tokens.map(({ id }) => textOf(tokenizer, id));
  let end = offset;
  const text_offset = texts.map((text) => {
    const start = end;
    end += text.length;
    return start;
  });
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprob, topLogprobs }) => (topLogprobs === null ? null : finite(logprob))),
    top_logprobs: tokens.map((token) => topLogprobs(tokenizer, token)),
    text_offset,
  };
}
