/** Log-probabilities of a prompt, gathered chunk by chunk: the logits of one chunk are all that is ever held. */
import { setImmediate } from 'node:timers/promises';
import type { PromptToken } from '../engine.ts';
import { logprobsOf } from '../sampling/logprobs.ts';

/** A row of a large vocabulary takes milliseconds; the event loop must not wait for more than a few. */
const rowsPerTurn = 4;

export class PromptLogprobs {
  readonly #promptIds: readonly number[];
  readonly #topLogprobs: number;
  readonly #entries: (PromptToken | null)[] = [null];

  constructor(promptIds: readonly number[], topLogprobs: number) {
    this.#promptIds = promptIds;
    this.#topLogprobs = topLogprobs;
  }

  /** Rows of logits after the next tokens of the prompt; the row after its last token says nothing about it. */
  async add(logits: Float32Array, vocabularySize: number): Promise<void> {
    for (let row = 0; row * vocabularySize < logits.length; row++) {
      const id = this.#promptIds[this.#entries.length];
      if (id === undefined) return;
      if (row % rowsPerTurn === 0) await setImmediate();
      const own = logits.subarray(row * vocabularySize, (row + 1) * vocabularySize);
      this.#entries.push({ id, ...logprobsOf(own, id, this.#topLogprobs) });
    }
  }

  get entries(): readonly (PromptToken | null)[] {
    return this.#entries;
  }
}
