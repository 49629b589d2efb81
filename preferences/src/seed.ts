/** Everything random is a function of the seed and of what it is for: no state, so no order of requests matters. */
import { createHash } from 'node:crypto';

const uint32Range = 2 ** 32;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function hash32(...parts: (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readUInt32BE(0);
}

/** Seed of one request; within the 31 bits that every server takes. */
export const requestSeed = (...parts: (string | number)[]): number => hash32(...parts) >>> 1;

export function pick<T>(items: readonly T[], ...parts: (string | number)[]): T | undefined {
  return items[Math.floor((hash32(...parts) / uint32Range) * items.length)];
}

/** At most `count` of the items, chosen by their keys, in their own order; 0 takes all. */
export function sample<T>(items: readonly T[], count: number, key: (item: T) => (string | number)[]): T[] {
  if (count === 0 || items.length <= count) return [...items];
  const chosen = new Set(items.toSorted((a, b) => hash32(...key(a)) - hash32(...key(b))).slice(0, count));
  return items.filter((item) => chosen.has(item));
}
