/** Writes the latest state, one write at a time: what changes during a write is in the next one. */
import { setTimeout as sleep } from 'node:timers/promises';

export class StatusReporter {
  readonly #write: () => Promise<void>;
  readonly #retryMs: number;
  #isDirty = false;
  #flushing: Promise<void> | undefined;

  /** `write` reads the state when it is called; when it rejects it is called again after `retryMs`. */
  constructor(write: () => Promise<void>, retryMs: number) {
    this.#write = write;
    this.#retryMs = retryMs;
  }

  mark(): void {
    this.#isDirty = true;
    this.#flushing ??= this.#drain();
  }

  /** Resolves when all that was marked is written. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // what changes in the same turn goes into one write
    while (this.#isDirty) {
      this.#isDirty = false;
      try {
        await this.#write();
      } catch {
        this.#isDirty = true;
        await sleep(this.#retryMs);
      }
    }
    this.#flushing = undefined;
  }
}
