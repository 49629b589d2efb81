/** What a row of logits says: the most likely tokens, log-probabilities, and the set that top-k and top-p leave. */

export function argmax(logits: Float32Array): number {
  let best = 0;
  let top = logits[0] ?? Number.NaN;
  for (let i = 1; i < logits.length; i++) {
    const value = logits[i] ?? 0;
    if (value > top) {
      top = value;
      best = i;
    }
  }
  if (!Number.isFinite(top)) throw new Error('the logits of the model are not finite numbers');
  return best;
}

/** log of the sum of exp(logit / temperature); subtract it from logit / temperature for a log-probability. */
export function logSumExp(logits: Float32Array, temperature = 1): number {
  const top = (logits[argmax(logits)] ?? 0) / temperature;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? 0) / temperature - top);
  return top + Math.log(sum);
}

/** The k largest, largest first; of equal ones the lower id first. */
export function mostLikely(logits: Float32Array, k: number): number[] {
  const best: number[] = [];
  const size = Math.min(k, logits.length);
  if (size === 0) return best;
  for (let id = 0; id < logits.length; id++) {
    if (best.length === size) {
      if ((logits[id] ?? 0) <= (logits[best[size - 1] ?? 0] ?? 0)) continue;
      best.pop();
    }
    best.splice(rank(logits, best, logits[id] ?? 0), 0, id);
  }
  return best;
}

/** Where a value belongs in ids that are ordered by falling logits: behind its equals. */
function rank(logits: Float32Array, ordered: readonly number[], value: number): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((logits[ordered[middle] ?? 0] ?? 0) >= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface Candidates {
  readonly ids: readonly number[];
  readonly probabilities: readonly number[];
}

export interface Truncation {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
}

/** Tokens left by temperature, then top-k, then top-p, with probabilities that are not normalised again. */
export function candidates(logits: Float32Array, { temperature, topK, topP }: Truncation): Candidates {
  const normalizer = logSumExp(logits, temperature);
  const probability = (id: number): number => Math.exp((logits[id] ?? 0) / temperature - normalizer);
  const restricted = topK > 0 && topK < logits.length;
  const ids = restricted ? mostLikely(logits, topK) : aboveTail(logits, topP, probability);
  if (topP < 1 && !restricted) ids.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  const probabilities = ids.map(probability);
  return topP < 1 ? nucleus(ids, probabilities, topP) : { ids, probabilities };
}

/** All tokens, or those that can be in the nucleus: the ones below 1/V of the tail together weigh less than it. */
function aboveTail(logits: Float32Array, topP: number, probability: (id: number) => number): number[] {
  const ids: number[] = [];
  const floor = topP < 1 ? (1 - topP) / logits.length : 0;
  for (let id = 0; id < logits.length; id++) if (probability(id) >= floor) ids.push(id);
  return ids;
}

/** The fewest most likely tokens that reach topP of what is left. */
function nucleus(ids: readonly number[], probabilities: readonly number[], topP: number): Candidates {
  const total = probabilities.reduce((sum, p) => sum + p, 0);
  let sum = 0;
  let count = 0;
  while (count < ids.length && sum < topP * total) sum += probabilities[count++] ?? 0;
  return { ids: ids.slice(0, count), probabilities: probabilities.slice(0, count) };
}
