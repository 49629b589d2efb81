/**
 * Chooses the tokens of one request. Its state is its own (random numbers, counts, place in the grammar), so no other
 * request can change it. Order: log-probabilities of the model's logits; grammar; adjustments; greedy, or temperature,
 * min-p, top-k, top-p and a draw.
 */
import type { GeneratedToken } from '../engine.ts';
import { type AdjustmentContext, Adjustments } from './adjustments.ts';
import type { Constraint } from './constraint.ts';
import { argmax, candidates, type Truncation, total } from './distribution.ts';
import { logprobsOf } from './logprobs.ts';
import { type Random, randomSeed, seededRandom } from './random.ts';
import type { SamplingSettings } from './settings.ts';

export type Sampler = (logits: Float32Array) => GeneratedToken;

export interface SamplerContext extends AdjustmentContext {
  /** Of the request's grammar. */
  readonly constraint?: Constraint | undefined;
}

export function createSampler(settings: SamplingSettings, context: SamplerContext): Sampler {
  const random = seededRandom(settings.seed ?? randomSeed());
  const adjustments = new Adjustments(settings, context);
  const { constraint } = context;
  return (logits) => {
    const adjusted = constraint || !adjustments.neutral ? logits.slice() : logits;
    constraint?.apply(adjusted);
    if (!adjustments.neutral) adjust(adjusted, adjustments, constraint);
    const id = settings.temperature === 0 ? argmax(adjusted) : draw(adjusted, settings, random);
    adjustments.accept(id);
    constraint?.accept(id);
    if (settings.topLogprobs === null) return { id, logprob: null, topLogprobs: [] };
    return { id, ...logprobsOf(logits, id, settings.topLogprobs) };
  };
}

/** A grammar that allows only the end overrules minTokens and a bias that forbids everything else. */
function adjust(logits: Float32Array, adjustments: Adjustments, constraint: Constraint | undefined): void {
  const before = constraint && logits.slice();
  adjustments.apply(logits);
  if (before && logits.every((logit) => logit === Number.NEGATIVE_INFINITY)) logits.set(before);
}

function draw(logits: Float32Array, truncation: Truncation, random: Random): number {
  const { ids, weights } = candidates(logits, truncation);
  let rest = random() * total({ ids, weights });
  let at = 0;
  while (at < ids.length - 1) {
    rest -= weights[at] ?? 0;
    if (rest < 0) break;
    at += 1;
  }
  return ids[at] ?? 0;
}
