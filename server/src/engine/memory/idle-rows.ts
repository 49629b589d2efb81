/**
 * Slots that a decode run covers without decoding them. Such a row has one token and no past, which costs no attention
 * but writes over the slot's first position; what was there is kept here until the slot is used again.
 */
import type { KvCache } from './kv-cache.ts';

export class IdleRows {
  readonly #kv: KvCache;
  readonly #kept = new Map<number, Uint8Array>();

  constructor(kv: KvCache) {
    this.#kv = kv;
  }

  /** Lets a run write over the slot's first position. */
  lend(slot: number): void {
    if (!this.#kept.has(slot)) this.#kept.set(slot, this.#kv.firstPosition(slot));
  }

  /** Puts it back, before anything reads or forgets it. */
  wake(slot: number): void {
    const kept = this.#kept.get(slot);
    if (!kept) return;
    this.#kv.setFirstPosition(slot, kept);
    this.#kept.delete(slot);
  }
}
