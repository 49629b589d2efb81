/** Which tokens each KV slot holds, and which slot a new request takes. */

interface Slot {
  readonly index: number;
  /** Ids whose keys and values are there. */
  tokens: number[];
  busy: boolean;
  lastUsed: number;
}

export interface Placement {
  readonly slot: number;
  /** Leading tokens of the prompt that the slot holds already. */
  readonly cached: number;
}

export class Slots {
  readonly #slots: readonly Slot[];
  #clock = 0;

  constructor(count: number) {
    this.#slots = Array.from({ length: count }, (_, index) => ({
      index,
      tokens: [],
      busy: false,
      lastUsed: 0,
    }));
  }

  get tokensUsed(): number {
    return this.#slots.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  /**
   * The free slot that shares the longest prefix with the prompt, if that is at least half of what it holds: a shared
   * system prompt must not cost another conversation its document. Else the one not used for longest.
   */
  take(promptIds: readonly number[]): Placement | undefined {
    const free = this.#slots
      .filter(({ busy }) => !busy)
      .map((slot) => ({ slot, shared: shared(slot, promptIds) }));
    const [first, ...others] = free;
    if (!first) return undefined;
    const longest = others.reduce((a, b) => (b.shared > a.shared ? b : a), first);
    const oldest = others.reduce((a, b) => (b.slot.lastUsed < a.slot.lastUsed ? b : a), first);
    const { slot, shared: cached } = longest.shared * 2 >= longest.slot.tokens.length ? longest : oldest;
    slot.busy = true;
    slot.tokens.length = cached;
    this.#touch(slot);
    return { slot: slot.index, cached };
  }

  length(index: number): number {
    return this.#slot(index).tokens.length;
  }

  append(index: number, ids: readonly number[]): void {
    const slot = this.#slot(index);
    for (const id of ids) slot.tokens.push(id);
  }

  /** The slot keeps its tokens for the next request. */
  free(index: number): void {
    const slot = this.#slot(index);
    slot.busy = false;
    this.#touch(slot);
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

/** At most all but the last token of the prompt: its logits are wanted, so it must run. */
function shared({ tokens }: Slot, promptIds: readonly number[]): number {
  const limit = Math.min(tokens.length, promptIds.length - 1);
  let length = 0;
  while (length < limit && tokens[length] === promptIds[length]) length++;
  return length;
}
