/** Tables of the rotary embedding: cos and sin of position x frequency, [position, headDim / 2]. */
import type { RotaryFrequencies } from './rotary-frequencies.ts';

/**
 * Every step is rounded to float32 as the trainer's framework does it: far from the start the angle's rounding is
 * larger than float32's resolution of its cosine, and the weights were trained with it.
 */
export function fillRotaryTables(
  cos: Float32Array,
  sin: Float32Array,
  { inverse, attentionFactor }: RotaryFrequencies,
): void {
  const half = inverse.length;
  const factor = Math.fround(attentionFactor);
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.fround(Math.floor(i / half) * (inverse[i % half] ?? 0));
    cos[i] = Math.fround(Math.cos(angle)) * factor;
    sin[i] = Math.fround(Math.sin(angle)) * factor;
  }
}
