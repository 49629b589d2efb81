/** What a row of logits says: the most likely tokens, log-probabilities, and the set that truncation leaves. */

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

/** log of the sum of exp(logit); subtract it from a logit for a log-probability. */
export function logSumExp(logits: Float32Array): number {
  const top = logits[argmax(logits)] ?? 0;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? 0) - top);
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
  readonly ids: Int32Array;
  /** In proportion to the probabilities. */
  readonly weights: Float64Array;
}

export interface Truncation {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/** Tokens left by temperature, min-p, top-k, top-p, in vLLM's order: each looks at what the one before left. */
export function candidates(logits: Float32Array, truncation: Truncation): Candidates {
  const { topK, topP } = truncation;
  if (topK > 0 && topK < logits.length) {
    const kept = weigh(logits, Int32Array.from(mostLikely(logits, topK)), truncation);
    return topP < 1 ? nucleus(kept, total(kept), topP) : kept;
  }
  const kept = weigh(logits, undefined, truncation);
  return topP < 1 ? nucleus(ordered(aboveTail(kept, topP)), total(kept), topP) : kept;
}

/** Of some ids, or of all. The most likely token weighs 1, so that min-p is a weight; a masked one weighs 0. */
function weigh(
  logits: Float32Array,
  from: Int32Array | undefined,
  { temperature, minP }: Truncation,
): Candidates {
  const top = logits[argmax(logits)] ?? 0;
  const size = from?.length ?? logits.length;
  const ids = new Int32Array(size);
  const weights = new Float64Array(size);
  let count = 0;
  for (let i = 0; i < size; i++) {
    const id = from ? (from[i] ?? 0) : i;
    const weight = Math.exp(((logits[id] ?? 0) - top) / temperature);
    if (weight < minP || weight === 0) continue;
    ids[count] = id;
    weights[count++] = weight;
  }
  return first({ ids, weights }, count);
}

const first = ({ ids, weights }: Candidates, count: number): Candidates => ({
  ids: ids.subarray(0, count),
  weights: weights.subarray(0, count),
});

export function total({ weights }: Candidates): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i] ?? 0;
  return sum;
}

/** Spares the sort most of a vocabulary: tokens below the tail's mean share together weigh less than the tail. */
function aboveTail(kept: Candidates, topP: number): Candidates {
  const floor = ((1 - topP) * total(kept)) / kept.ids.length;
  const large = { ids: kept.ids.slice(), weights: kept.weights.slice() };
  let count = 0;
  for (let i = 0; i < kept.ids.length; i++) {
    const weight = kept.weights[i] ?? 0;
    if (weight < floor) continue;
    large.ids[count] = kept.ids[i] ?? 0;
    large.weights[count++] = weight;
  }
  return first(large, count);
}

/** Most likely first, of equal ones the lower id. */
function ordered({ ids, weights }: Candidates): Candidates {
  const order = Array.from(ids.keys()).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
  return {
    ids: Int32Array.from(order, (at) => ids[at] ?? 0),
    weights: Float64Array.from(order, (at) => weights[at] ?? 0),
  };
}

/** The fewest most likely tokens that reach topP of the whole; the first one always. */
function nucleus(kept: Candidates, whole: number, topP: number): Candidates {
  let sum = 0;
  let count = 0;
  while (count < kept.ids.length && sum < topP * whole) sum += kept.weights[count++] ?? 0;
  return first(kept, count);
}
