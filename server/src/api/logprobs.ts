/** Log-probabilities of generated tokens, in the shapes of the two endpoints. */
import type { Tokenizer } from '@longpo/tokens';
import type { GeneratedToken } from '../engine/engine.ts';

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

/** The likeliest tokens and the chosen one; tokens whose text is the same, as parts of characters are, stay apart. */
function topLogprobs(
  tokenizer: Tokenizer,
  { id, logprob, topLogprobs: top }: GeneratedToken,
): Record<string, number> {
  const all = top.some((other) => other.id === id) ? top : [...top, { id, logprob: finite(logprob) }];
  const named: Record<string, number> = {};
  for (const token of all) {
    const text = textOf(tokenizer, token.id);
    named[text in named ? `token_id:${token.id}` : text] = finite(token.logprob);
  }
  return named;
}

/** `offset` is the length of the text of the tokens before. */
export function completionLogprobs(tokenizer: Tokenizer, tokens: readonly GeneratedToken[], offset = 0) {
  const texts = tokens.map(({ id }) => textOf(tokenizer, id));
  let end = offset;
  const text_offset = texts.map((text) => {
    const start = end;
    end += text.length;
    return start;
  });
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    top_logprobs: tokens.map((token) => topLogprobs(tokenizer, token)),
    text_offset,
  };
}
