/** Tokens on their way from the scheduler to one reader. */
import type { GeneratedToken } from '../engine.ts';

export class TokenQueue implements AsyncIterable<GeneratedToken> {
  readonly #waiting: GeneratedToken[] = [];
  readonly #onLeave: () => void;
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  /** `onLeave` is called when the reader stops before the end. */
  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  push(token: GeneratedToken): void {
    this.#waiting.push(token);
    this.#wake?.();
  }

  end(error?: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GeneratedToken> {
    try {
      for (;;) {
        const token = this.#waiting.shift();
        if (token) yield token;
        else if (this.#ended) break;
        else await this.#change();
      }
    } finally {
      if (!this.#ended) this.#onLeave();
    }
    if (this.#error !== undefined) throw this.#error;
  }

  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}
