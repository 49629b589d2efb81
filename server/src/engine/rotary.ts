/** Tables of the rotary embedding: cos and sin of position x frequency, [position, pairs]. */
import { type RotarySettings, rotaryFrequencies } from './rotary-frequencies.ts';

export interface Rotation {
  /** Radians a position, one for each pair of dimensions. */
  readonly inverse: Float32Array;
  /** Of cos and sin. Queries and keys both bear it, so scores come out divided by the root of the head size. */
  readonly factor: number;
}

export function rotationOf(settings: RotarySettings): Rotation {
  const { inverse, attentionFactor } = rotaryFrequencies(settings);
  return { inverse, factor: attentionFactor * settings.architecture.headDim ** -0.25 };
}

/**
 * Every step is rounded to float32 as the trainer's framework does it: far from the start the angle's rounding is
 * larger than float32's resolution of its cosine, and the weights were trained with it.
 * Pairs beyond the frequencies stand still: they are the padding of the head.
 */
export function fillRotaryTables(
  cos: Float32Array,
  sin: Float32Array,
  { inverse, factor: exact }: Rotation,
  pairs: number,
): void {
  const factor = Math.fround(exact);
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.fround(Math.floor(i / pairs) * (inverse[i % pairs] ?? 0));
    cos[i] = Math.fround(Math.cos(angle)) * factor;
    sin[i] = Math.fround(Math.sin(angle)) * factor;
  }
}
