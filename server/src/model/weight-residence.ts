/**
 * Whether float weights are read where the file is mapped, or from a float32 copy in the layout of the matrix kernels.
 * Measured on SmolLM2-135M (269 MB of bfloat16): the copy takes 580 MB and three times as long to load; mapped, 30 MB
 * and 115 MB more for the largest matrix, which is cast when its turn comes, in every step. Prompts are read about as
 * fast; decoding is 2 to 3 times slower from mapped bfloat16, 1.3 to 1.9 times from mapped float32, which needs no
 * cast. The logits agree within 1e-4. ONNX Runtime copies float16 in any case.
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
