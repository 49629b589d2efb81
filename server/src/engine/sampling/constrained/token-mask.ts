/** One bit for each token id: whether it may come next. */

export const emptyMask = (vocabularySize: number): Int32Array =>
  new Int32Array(Math.ceil(vocabularySize / 32));

export function allow(mask: Int32Array, id: number): void {
  mask[id >> 5] = (mask[id >> 5] ?? 0) | (1 << (id & 31));
}

/** Takes the logits of all other tokens to -Infinity. */
export function applyMask(mask: Int32Array, logits: Float32Array): void {
  for (let id = 0; id < logits.length; id++) {
    const word = mask[id >> 5] ?? 0;
    if (((word >>> (id & 31)) & 1) === 0) logits[id] = Number.NEGATIVE_INFINITY;
  }
}
