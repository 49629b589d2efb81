/** Log-probabilities of the model's own distribution: before grammar, bias, penalties, temperature and truncation. */
import type { TokenLogprob } from '../engine.ts';
import { logSumExp, mostLikely } from './distribution.ts';

export interface Logprobs {
  readonly logprob: number;
  /** Most likely first. */
  readonly topLogprobs: readonly TokenLogprob[];
}

/** Of one token and of the `count` most likely ones. The same token has the same number, bit for bit, in both. */
export function logprobsOf(logits: Float32Array, id: number, count: number): Logprobs {
  const normalizer = logSumExp(logits);
  const of = (token: number): number => (logits[token] ?? 0) - normalizer;
  return {
    logprob: of(id),
    topLogprobs: mostLikely(logits, count).map((token) => ({ id: token, logprob: of(token) })),
  };
}
