/**
 * Slots that a decode run covers without decoding them. Such a row has one token and no past, which costs no attention
 * but writes over the slot's first position; what was there is kept here until the slot is used again.
 */
import type { KvCache } from './kv-cache.ts';

export class IdleRows {
  readonly #kv: KvCache;
  readonly #kept = new Map<number, readonly Uint8Array[]>();

  constructor(kv: KvCache) {
    this.#kv = kv;
  }

  /** Lets a run write over the slot's first position. */
  lend(slot: number): void {
    if (this.#kept.has(slot)) return;
    this.#kept.set(
      slot,
      this.#kv.leading(slot, 1).map((row) => row.slice()),
    );
  }

  /** Puts it back, before anything reads or forgets it. */
  wake(slot: number): void {
    const kept = this.#kept.get(slot);
    if (!kept) return;
    for (const [i, row] of this.#kv.leading(slot, 1).entries()) row.set(kept[i] ?? []);
    this.#kept.delete(slot);
  }
}
