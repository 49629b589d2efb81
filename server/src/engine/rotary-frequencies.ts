/**
 * Frequencies of the rotary embedding for each type of scaling, rounded to float32 step by step in transformers'
 * order (modeling_rope_utils.py): at position 100,000 one unit in the last place moves an angle by 0.01 radians.
 */
import type { Architecture } from '../model/architecture.ts';
import type { RopeScaling } from '../model/rope.ts';

export interface RotaryFrequencies {
  /** Radians a position, one for each pair of dimensions. */
  readonly inverse: Float32Array;
  /** cos and sin are multiplied by it, so attention scores by its square. */
  readonly attentionFactor: number;
}

export interface RotarySettings {
  readonly architecture: Pick<Architecture, 'headDim' | 'ropeScaling'>;
  /** Replaces that of the architecture where the user sets one. */
  readonly ropeTheta: number;
  /**
   * Longest sequence that is served. It decides the types that depend on the length (dynamic, longrope): one set of
   * frequencies for a sequence from its first token to its last, so that keys in the cache stay right.
   */
  readonly positions: number;
}

const { fround } = Math;

export function rotaryFrequencies({ architecture, ropeTheta, positions }: RotarySettings): RotaryFrequencies {
  const { headDim, ropeScaling: scaling } = architecture;
  const plain = (theta: number): Float32Array =>
    wavelengths(theta, headDim).map((wavelength) => 1 / wavelength);
  switch (scaling.type) {
    case 'default':
      return { inverse: plain(ropeTheta), attentionFactor: 1 };
    case 'linear':
      return { inverse: plain(ropeTheta).map((x) => x / fround(scaling.factor)), attentionFactor: 1 };
    case 'dynamic':
      return { inverse: plain(grownTheta(ropeTheta, headDim, scaling, positions)), attentionFactor: 1 };
    case 'yarn':
      return {
        inverse: yarnFrequencies(ropeTheta, headDim, scaling),
        attentionFactor: scaling.attentionFactor,
      };
    case 'llama3':
      return { inverse: plain(ropeTheta).map((x) => llama3Frequency(x, scaling)), attentionFactor: 1 };
    case 'longrope': {
      const divisors = positions > scaling.originalLength ? scaling.longFactors : scaling.shortFactors;
      const inverse = wavelengths(ropeTheta, headDim).map((x, i) => 1 / fround(fround(divisors[i] ?? 1) * x));
      return { inverse, attentionFactor: scaling.attentionFactor };
    }
  }
}

/** theta ^ (2i / headDim): positions in which pair i turns by one radian. */
function wavelengths(theta: number, headDim: number): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, i) => fround(theta) ** fround((2 * i) / headDim));
}

/** Up to the trained length it is theta itself. */
function grownTheta(
  theta: number,
  headDim: number,
  { factor, trainedLength }: RopeScaling & { type: 'dynamic' },
  positions: number,
): number {
  if (positions <= trainedLength) return theta;
  const growth = fround(fround(fround(factor * positions) / trainedLength) - fround(factor - 1));
  return fround(fround(theta) * fround(growth ** fround(headDim / (headDim - 2))));
}

/** Fast pairs keep their frequency, slow ones are divided by the factor, a ramp joins the two. */
function yarnFrequencies(
  theta: number,
  headDim: number,
  scaling: RopeScaling & { type: 'yarn' },
): Float32Array {
  const { factor, betaFast, betaSlow, truncate, originalLength } = scaling;
  /** The pair that turns `rotations` times within the original length. */
  const pairOf = (rotations: number): number =>
    (headDim * Math.log(originalLength / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [low, high] = [pairOf(betaFast), pairOf(betaSlow)];
  const from = Math.max(truncate ? Math.floor(low) : low, 0);
  const to = Math.min(truncate ? Math.ceil(high) : high, headDim - 1);
  const width = fround(from === to ? 0.001 : to - from);
  return wavelengths(theta, headDim).map((wavelength, i) => {
    const ramp = Math.min(Math.max(fround(fround(i - fround(from)) / width), 0), 1);
    const kept = fround(1 - ramp);
    const divided = fround(1 / fround(fround(factor) * wavelength));
    return fround(divided * fround(1 - kept)) + fround(fround(1 / wavelength) * kept);
  });
}

/** As YaRN in spirit: waves longer than the original length are slowed, short ones kept, those between blended. */
function llama3Frequency(frequency: number, scaling: RopeScaling & { type: 'llama3' }): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalLength } = scaling;
  const wavelength = fround(fround(2 * Math.PI) / frequency);
  if (wavelength < fround(originalLength / highFrequencyFactor)) return frequency;
  if (wavelength > fround(originalLength / lowFrequencyFactor)) return frequency / fround(factor);
  const above = fround(fround(originalLength / wavelength) - lowFrequencyFactor);
  const kept = fround(above / fround(highFrequencyFactor - lowFrequencyFactor));
  const slowed = fround(fround(fround(1 - kept) * frequency) / fround(factor));
  return slowed + fround(kept * frequency);
}
