/** How the tokens of one request are chosen; a part of GenerateRequest, with the values that change nothing. */
import type { Grammar } from './grammar.ts';

export interface SamplingSettings {
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** 0 is off. */
  readonly topK: number;
  /** Tokens below this share of the most likely one's probability are out; 0 is off. */
  readonly minP: number;
  /** Above 1 makes every token of the prompt and of the answer less likely; 1 is off. */
  readonly repetitionPenalty: number;
  /** Taken once from the logit of each token that the answer holds; 0 is off. */
  readonly presencePenalty: number;
  /** Taken from the logit of each token as often as the answer holds it; 0 is off. */
  readonly frequencyPenalty: number;
  /** Token id -> what is added to its logit. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** Tokens before which neither an end-of-text token nor one of stopTokenIds can come. */
  readonly minTokens: number;
  /** The same seed gives the same text whatever else runs; null draws one. */
  readonly seed: number | null;
  readonly stopTokenIds: readonly number[];
  /** Go on past the model's own end-of-text tokens; stopTokenIds still stop. */
  readonly ignoreEos: boolean;
  /** null: no log-probabilities; n: that of the chosen token and of the n most likely ones. */
  readonly topLogprobs: number | null;
  /** The same for every token of the prompt, which then is read whole: no prefix of it is reused. */
  readonly promptLogprobs: number | null;
  /** null: any text. */
  readonly grammar: Grammar | null;
}

/** One draw a token from the model's own distribution. */
export const defaultSampling: SamplingSettings = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  minTokens: 0,
  seed: null,
  stopTokenIds: [],
  ignoreEos: false,
  topLogprobs: null,
  promptLogprobs: null,
  grammar: null,
};
