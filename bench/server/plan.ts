/** How much is measured: all of it takes the most of a day; `quick` shows in minutes that every part works. */
export interface Length {
  readonly tokens: number;
  /** Of the prefill. Long ones take minutes each, so they have few rounds and none that warms up. */
  readonly rounds: number;
  readonly warmUps: number;
}

export type Width = 'int4' | 'int8';

export interface Plan {
  readonly isQuick: boolean;
  readonly lengths: readonly Length[];
  /** Of the weights, where both sides have them. */
  readonly widths: readonly Width[];
  /** Where transformers.js and stock onnxruntime-node decode too. */
  readonly javaScriptAt: number;
  /** Tokens of an answer, in every comparison. */
  readonly answer: number;
  /** Of everything that takes seconds only. */
  readonly decodeRounds: number;
  readonly batch: { readonly sequences: number; readonly prompt: number };
  readonly document: number;
  readonly scoredTokens: number;
  /** Where resident memory is read; the first is what the further ones are held against. */
  readonly longMarks: readonly number[];
}

export const full: Plan = {
  isQuick: false,
  lengths: [
    { tokens: 512, rounds: 5, warmUps: 1 },
    { tokens: 8192, rounds: 3, warmUps: 0 },
    { tokens: 32_768, rounds: 1, warmUps: 0 },
  ],
  widths: ['int4', 'int8'],
  javaScriptAt: 8192,
  answer: 64,
  decodeRounds: 5,
  batch: { sequences: 8, prompt: 512 },
  document: 32_768,
  scoredTokens: 4096,
  longMarks: [65_536, 131_072, 262_144, 524_288],
};

export const quick: Plan = {
  isQuick: true,
  lengths: [{ tokens: 96, rounds: 2, warmUps: 0 }],
  widths: ['int4', 'int8'],
  javaScriptAt: 96,
  answer: 8,
  decodeRounds: 2,
  batch: { sequences: 8, prompt: 16 },
  document: 512,
  scoredTokens: 96,
  longMarks: [4096, 8192, 16_384],
};
