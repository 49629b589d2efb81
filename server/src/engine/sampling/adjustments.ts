/**
 * What a request changes in the logits before the draw, in vLLM's order: tokens that may not come yet (minTokens),
 * logit bias, then the repetition, frequency and presence penalties.
 */
import type { SamplingSettings } from './settings.ts';

export type AdjustmentSettings = Pick<
  SamplingSettings,
  'minTokens' | 'logitBias' | 'repetitionPenalty' | 'frequencyPenalty' | 'presencePenalty'
>;

export interface AdjustmentContext {
  readonly promptIds: readonly number[];
  /** Tokens that end the answer. */
  readonly stopIds: ReadonlySet<number>;
}

export class Adjustments {
  readonly #settings: AdjustmentSettings;
  readonly #stopIds: ReadonlySet<number>;
  readonly #promptIds: ReadonlySet<number>;
  /** Token of the answer -> how often it came. */
  readonly #counts = new Map<number, number>();
  #generated = 0;

  constructor(settings: AdjustmentSettings, { promptIds, stopIds }: AdjustmentContext) {
    this.#settings = settings;
    this.#stopIds = stopIds;
    this.#promptIds = new Set(settings.repetitionPenalty === 1 ? [] : promptIds);
  }

  /** Whether the logits of the next token are the model's own. */
  get neutral(): boolean {
    const { logitBias, repetitionPenalty, frequencyPenalty, presencePenalty } = this.#settings;
    const penalties = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
    return !penalties && logitBias.size === 0 && !this.#tooShort;
  }

  apply(logits: Float32Array): void {
    if (this.#tooShort) for (const id of this.#stopIds) logits[id] = Number.NEGATIVE_INFINITY;
    for (const [id, bias] of this.#settings.logitBias) logits[id] = (logits[id] ?? 0) + bias;
    this.#penalizeRepetition(logits);
    const { frequencyPenalty, presencePenalty } = this.#settings;
    for (const [id, count] of this.#counts)
      logits[id] = (logits[id] ?? 0) - frequencyPenalty * count - presencePenalty;
  }

  accept(id: number): void {
    this.#generated += 1;
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  get #tooShort(): boolean {
    return this.#generated < this.#settings.minTokens;
  }

  #penalizeRepetition(logits: Float32Array): void {
    const { repetitionPenalty: penalty } = this.#settings;
    if (penalty === 1) return;
    const penalize = (id: number): void => {
      const logit = logits[id] ?? 0;
      logits[id] = logit > 0 ? logit / penalty : logit * penalty;
    };
    this.#promptIds.forEach(penalize);
    for (const id of this.#counts.keys()) if (!this.#promptIds.has(id)) penalize(id);
  }
}
