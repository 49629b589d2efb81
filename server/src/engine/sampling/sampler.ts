/** Chooses the next token of one request. Its state is its own random numbers, so no other request can change it. */
import type { GeneratedToken, GenerateRequest } from '../engine.ts';
import { argmax, candidates, logSumExp, mostLikely, type Truncation } from './distribution.ts';
import { type Random, randomSeed, seededRandom } from './random.ts';

export type Sampler = (logits: Float32Array) => GeneratedToken;

type Settings = Truncation & Pick<GenerateRequest, 'seed' | 'topLogprobs'>;

export function createSampler(settings: Settings): Sampler {
  const random = seededRandom(settings.seed ?? randomSeed());
  return (logits) => {
    const id = settings.temperature === 0 ? argmax(logits) : draw(logits, settings, random);
    return { id, ...logprobs(logits, id, settings.topLogprobs) };
  };
}

function draw(logits: Float32Array, truncation: Truncation, random: Random): number {
  const { ids, probabilities } = candidates(logits, truncation);
  const total = probabilities.reduce((sum, p) => sum + p, 0);
  let rest = random() * total;
  for (const [i, probability] of probabilities.entries()) {
    rest -= probability;
    if (rest < 0) return ids[i] ?? 0;
  }
  return ids.at(-1) ?? 0;
}

/** Of the model's own distribution, before temperature and truncation. */
function logprobs(logits: Float32Array, id: number, count: number | null): Omit<GeneratedToken, 'id'> {
  if (count === null) return { logprob: null, topLogprobs: [] };
  const normalizer = logSumExp(logits);
  const of = (token: number): number => (logits[token] ?? 0) - normalizer;
  return {
    logprob: of(id),
    topLogprobs: mostLikely(logits, count).map((token) => ({ id: token, logprob: of(token) })),
  };
}
