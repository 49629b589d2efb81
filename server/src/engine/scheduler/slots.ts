/** Which tokens each KV slot holds, which slot a new request takes, and what all of them may grow to. */
import { sharedTokens } from './shared-prefix.ts';

interface Slot {
  readonly index: number;
  /** Ids whose keys and values are there. */
  tokens: number[];
  /** Leading tokens that a next request may continue on. */
  reusable: number;
  /** Tokens that the running request may grow to; null when idle. */
  limit: number | null;
  /** Of its tokens; an empty slot is the first to be taken. */
  lastUsed: number;
}

const never = Number.NEGATIVE_INFINITY;

export interface SlotsOptions {
  readonly count: number;
  /** Memory that so many tokens of a slot take. */
  readonly kvBytes: (tokens: number) => number;
  /** Of all slots together; at least one full slot. */
  readonly budget: number;
  /** Whether tokens that were decoded are as good for the next request as those that were read. */
  readonly reuseDecoded: boolean;
}

export interface Demand {
  readonly promptIds: readonly number[];
  /** Tokens that the request may grow to. */
  readonly limit: number;
  /** Whether it may continue on a prefix that a slot holds. */
  readonly reuse: boolean;
}

export interface Placement {
  readonly slot: number;
  /** Leading tokens of the prompt that the slot holds already. */
  readonly cached: number;
  /** Idle slots that lost their tokens to the budget. */
  readonly evicted: readonly number[];
}

export class Slots {
  readonly #slots: readonly Slot[];
  readonly #options: SlotsOptions;
  #clock = 0;
  #adopted = 0;
  #evictions = 0;

  constructor(options: SlotsOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      tokens: [],
      reusable: 0,
      limit: null,
      lastUsed: never,
    }));
  }

  get tokensUsed(): number {
    return this.#slots.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  get bytesUsed(): number {
    return this.#slots.reduce((sum, { tokens }) => sum + this.#options.kvBytes(tokens.length), 0);
  }

  get bytesReserved(): number {
    return this.#reserved(this.#slots);
  }

  get idle(): number {
    return this.#slots.filter(({ limit }) => limit === null).length;
  }

  /** Prefixes that made room for another request. */
  get evictions(): number {
    return this.#evictions;
  }

  /** undefined if no slot is idle, or if the running requests leave too little of the budget. */
  take(demand: Demand): Placement | undefined {
    const chosen = this.#choose(demand);
    if (!chosen) return undefined;
    const { slot, cached } = chosen;
    const evicted = this.#makeRoom(slot, demand.limit);
    if (!evicted) return undefined;
    if (cached === 0) this.#forget(slot);
    slot.limit = demand.limit;
    slot.tokens.length = cached;
    slot.reusable = cached;
    this.#touch(slot);
    return { slot: slot.index, cached, evicted };
  }

  /**
   * The idle slot that shares the longest prefix with the prompt, if that is at least half of what it holds: a shared
   * system prompt must not cost another conversation its document. Else the one not used for longest.
   */
  #choose({ promptIds, reuse }: Demand): { readonly slot: Slot; readonly cached: number } | undefined {
    const idle = this.#slots
      .filter(({ limit }) => limit === null)
      .map((slot) => ({ slot, cached: reuse ? sharedTokens(slot.tokens, promptIds, slot.reusable) : 0 }));
    const [first, ...others] = idle;
    if (!first) return undefined;
    const longest = others.reduce((a, b) => (b.cached > a.cached ? b : a), first);
    const oldest = others.reduce((a, b) => (b.slot.lastUsed < a.slot.lastUsed ? b : a), first);
    const { slot, cached } = longest.cached * 2 >= longest.slot.reusable ? longest : oldest;
    return { slot, cached: cached * 2 >= slot.reusable ? cached : 0 };
  }

  /** The idle slots that had to go, the one unused for longest first; undefined, and nothing done, if that is not enough. */
  #makeRoom(slot: Slot, limit: number): number[] | undefined {
    const { kvBytes, budget } = this.#options;
    const others = this.#slots.filter((other) => other !== slot);
    let excess = this.#reserved(others) + kvBytes(limit) - budget;
    const evicted: Slot[] = [];
    const kept = others.filter((other) => other.limit === null && other.tokens.length > 0);
    for (const other of kept.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
      if (excess <= 0) break;
      excess -= kvBytes(other.tokens.length);
      evicted.push(other);
    }
    if (excess > 0) return undefined;
    for (const other of evicted) this.#forget(other);
    return evicted.map(({ index }) => index);
  }

  #reserved(slots: readonly Slot[]): number {
    return slots.reduce((sum, { limit, tokens }) => sum + this.#options.kvBytes(limit ?? tokens.length), 0);
  }

  #forget(slot: Slot): void {
    if (slot.tokens.length > 0) this.#evictions += 1;
    this.discard(slot.index);
  }

  /** Prefixes that a next request may continue on, the one used last first. */
  kept(): { readonly slot: number; readonly ids: readonly number[] }[] {
    return this.#slots
      .filter(({ limit, reusable }) => limit === null && reusable > 0)
      .toSorted((a, b) => b.lastUsed - a.lastUsed)
      .map(({ index, tokens, reusable }) => ({ slot: index, ids: tokens.slice(0, reusable) }));
  }

  /**
   * Gives a prefix from elsewhere an empty slot; undefined if none is empty or the budget has no room for it. The first
   * to come counts as used last.
   */
  adopt(ids: readonly number[]): number | undefined {
    const slot = this.#slots.find(({ limit, tokens }) => limit === null && tokens.length === 0);
    const bytes = this.bytesReserved + this.#options.kvBytes(ids.length);
    if (!slot || bytes > this.#options.budget) return undefined;
    slot.tokens = [...ids];
    slot.reusable = ids.length;
    this.#adopted += 1;
    slot.lastUsed = -this.#adopted;
    return slot.index;
  }

  /** Forgets what an idle slot keeps. */
  discard(index: number): void {
    const slot = this.#slot(index);
    slot.tokens.length = 0;
    slot.reusable = 0;
    slot.lastUsed = never;
  }

  length(index: number): number {
    return this.#slot(index).tokens.length;
  }

  /** Tokens of the prompt. */
  read(index: number, ids: readonly number[]): void {
    const slot = this.#slot(index);
    for (const id of ids) slot.tokens.push(id);
    slot.reusable = slot.tokens.length;
  }

  /** Tokens of the answer. */
  decoded(index: number, ids: readonly number[]): void {
    const slot = this.#slot(index);
    for (const id of ids) slot.tokens.push(id);
    if (this.#options.reuseDecoded) slot.reusable = slot.tokens.length;
  }

  /** The slot keeps what a next request may continue on; returns how many tokens that is. */
  free(index: number): number {
    const slot = this.#slot(index);
    slot.limit = null;
    slot.tokens.length = slot.reusable;
    if (slot.reusable > 0) this.#touch(slot);
    else this.discard(index);
    return slot.reusable;
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    if (!slot) throw new RangeError(`no slot ${index}`);
    return slot;
  }

  #touch(slot: Slot): void {
    this.#clock += 1;
    slot.lastUsed = this.#clock;
  }
}
