/**
 * Whether float weights are read where the file is mapped, or from a float32 copy in the layout of the matrix kernels.
 * Measured on SmolLM2-135M: the copy takes 4 bytes a weight and loads three times slower; mapped float32 reads a
 * prompt about as fast and decodes up to 2 times slower; mapped bfloat16 is cast in every step, which reads a prompt
 * 1.5 times and decodes 4 to 5 times slower. Both give the same logits within 1e-4.
 */
import type { Tensors } from './tensors.ts';

const floatBytes = 4;
/** The rest is for keys and values, and for everyone else. */
const shareOfFreeMemory = 0.5;

/** A copy that does not fit well would drive out the pages of the file, and then itself. */
export function mapsWeights(tensors: Tensors, freeBytes: number): boolean {
  const copy = [...tensors.values()].reduce(
    (sum, { shape }) => sum + shape.reduce((product, n) => product * n, floatBytes),
    0,
  );
  return copy > freeBytes * shareOfFreeMemory;
}
