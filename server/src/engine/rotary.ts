/** Tables of the rotary embedding: cos and sin of position x frequency, [position, pairs]. */
import type { RotaryFrequencies } from './rotary-frequencies.ts';

/**
 * Every step is rounded to float32 as the trainer's framework does it: far from the start the angle's rounding is
 * larger than float32's resolution of its cosine, and the weights were trained with it.
 * Pairs beyond the frequencies stand still: they are the padding of the head.
 */
export function fillRotaryTables(
  cos: Float32Array,
  sin: Float32Array,
  { inverse, attentionFactor }: RotaryFrequencies,
  pairs: number,
): void {
  const factor = Math.fround(attentionFactor);
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.fround(Math.floor(i / pairs) * (inverse[i % pairs] ?? 0));
    cos[i] = Math.fround(Math.cos(angle)) * factor;
    sin[i] = Math.fround(Math.sin(angle)) * factor;
  }
}
