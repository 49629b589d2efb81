/** Everything random is a function of the seed and of what it is for: no state, so no order of requests matters. */
import { createHash } from 'node:crypto';

export type Key = readonly (string | number)[];

const uint32Range = 2 ** 32;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function hash32(key: Key): number {
  return createHash('sha256').update(JSON.stringify(key)).digest().readUInt32BE(0);
}

/** Seed of one request; within the 31 bits that every server takes. */
export const requestSeed = (...key: Key): number => hash32(key) >>> 1;

export function pick<T>(items: readonly T[], ...key: Key): T | undefined {
  return items[Math.floor((hash32(key) / uint32Range) * items.length)];
}

/** Keeps at most `count` of the items it is given, chosen by their keys, in the order they came; 0 keeps all. */
export class Sampler<T> {
  readonly #count: number;
  readonly #key: (item: T) => Key;
  #kept: { item: T; order: number; rank: number }[] = [];
  #seen = 0;

  constructor(count: number, key: (item: T) => Key) {
    this.#count = count;
    this.#key = key;
  }

  add(item: T): void {
    this.#kept.push({ item, order: this.#seen++, rank: hash32(this.#key(item)) });
    if (this.#count > 0 && this.#kept.length > 2 * this.#count) this.#prune();
  }

  items(): T[] {
    if (this.#count > 0) this.#prune();
    return this.#kept.toSorted((a, b) => a.order - b.order).map(({ item }) => item);
  }

  #prune(): void {
    this.#kept = this.#kept.toSorted((a, b) => a.rank - b.rank || a.order - b.order).slice(0, this.#count);
  }
}

export function sample<T>(items: readonly T[], count: number, key: (item: T) => Key): T[] {
  const sampler = new Sampler(count, key);
  for (const item of items) sampler.add(item);
  return sampler.items();
}
