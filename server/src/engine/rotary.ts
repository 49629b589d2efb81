/** Tables of the rotary embedding: cos and sin of position x frequency, [position, pairs]. */
import { type RotarySettings, rotaryFrequencies } from './rotary-frequencies.ts';

export interface RotaryTables {
  /** Radians a position. Pairs beyond them stand still: they are the padding of the head. */
  readonly inverse: Float32Array;
  readonly factor: number;
  readonly pairs: number;
}

/** Of cos and sin. Queries and keys both bear it, so scores come out divided by the root of the head size. */
export const rotaryFactor = (settings: RotarySettings): number =>
  rotaryFrequencies(settings).attentionFactor * settings.architecture.headDim ** -0.25;

/**
 * Every step is rounded to float32 as the trainer's framework does it: far from the start the angle's rounding is
 * larger than float32's resolution of its cosine, and the weights were trained with it.
 */
export function fillRotaryTables(cos: Float32Array, sin: Float32Array, tables: RotaryTables): void {
  const { inverse, pairs } = tables;
  const factor = Math.fround(tables.factor);
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.fround(Math.floor(i / pairs) * (inverse[i % pairs] ?? 0));
    cos[i] = Math.fround(Math.cos(angle)) * factor;
    sin[i] = Math.fround(Math.sin(angle)) * factor;
  }
}
