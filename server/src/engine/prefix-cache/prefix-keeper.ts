/** When prefixes come from disk and go there: back at the start; out while nothing is asked for, and at the end. */
import type { PrefixSlots, PrefixStore } from './prefix-store.ts';

/** A write that began at once would mostly be cut off by the next turn of a conversation. */
const pauseMs = 10_000;

export interface KeptSlots extends PrefixSlots {
  /** Prefixes of slots that nobody uses, the latest first. */
  kept(): readonly { readonly slot: number; readonly ids: readonly number[] }[];
}

export class PrefixKeeper {
  readonly #store: PrefixStore;
  readonly #slots: KeptSlots;
  readonly #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #interruption = new AbortController();
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(store: PrefixStore, slots: KeptSlots, pause: number = pauseMs) {
    this.#store = store;
    this.#slots = slots;
    this.#pauseMs = pause;
  }

  /** Fills the slots with the prefixes of an earlier life. To be awaited before the first request. */
  restore(): Promise<void> {
    return this.#store.load(this.#slots);
  }

  /** A request has come, which changes slots: a write is given up. */
  stir(): void {
    clearTimeout(this.#timer);
    this.#interruption.abort();
  }

  /** Nothing runs: what is kept is written, unless a request comes soon. */
  rest(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#interruption = new AbortController();
      void this.#save(this.#interruption.signal);
    }, this.#pauseMs);
    this.#timer.unref();
  }

  /** Writes what is not written yet. No request may come any more; the slots' memory may go afterwards. */
  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    return this.#save();
  }

  #save(signal?: AbortSignal): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (signal?.aborted) return;
      const kept = this.#slots
        .kept()
        .map(({ slot, ids }) => ({ ids, memory: this.#slots.memory(slot, ids.length) }));
      await this.#store.save(kept, signal);
    });
    return this.#writing;
  }
}
