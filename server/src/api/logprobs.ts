/** Log-probabilities of generated tokens, in the shapes of the two endpoints. */
import type { Tokenizer } from '@longpo/tokens';
import type { GeneratedToken } from '../engine/engine.ts';

/** JSON has no -Infinity; vLLM's floor. */
const floor = -9999;

const textOf = (tokenizer: Tokenizer, id: number) => tokenizer.decode([id], { skipSpecialTokens: false });

function entry(tokenizer: Tokenizer, id: number, logprob: number) {
  const token = textOf(tokenizer, id);
  return { token, logprob: Math.max(logprob, floor), bytes: [...Buffer.from(token)] };
}

export function chatLogprobs(tokenizer: Tokenizer, tokens: GeneratedToken[]): object {
  return {
    content: tokens.map(({ id, logprob, topLogprobs }) => ({
      ...entry(tokenizer, id, logprob ?? floor),
      top_logprobs: topLogprobs.map((top) => entry(tokenizer, top.id, top.logprob)),
    })),
    refusal: null,
  };
}

export function completionLogprobs(
  tokenizer: Tokenizer,
  tokens: GeneratedToken[],
  startOffset: number,
): object {
  const texts = tokens.map(({ id }) => textOf(tokenizer, id));
  let offset = startOffset;
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprob }) => Math.max(logprob ?? floor, floor)),
    top_logprobs: tokens.map(({ topLogprobs }) =>
      Object.fromEntries(topLogprobs.map((top) => [textOf(tokenizer, top.id), Math.max(top.logprob, floor)])),
    ),
    text_offset: texts.map((text) => {
      const at = offset;
      offset += text.length;
      return at;
    }),
  };
}
