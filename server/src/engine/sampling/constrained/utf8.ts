/** Ranges of characters as ranges of the bytes of UTF-8: neither long forms nor surrogates. */
import type { CharacterRange } from './character-ranges.ts';

export type ByteRange = readonly [low: number, high: number];

/** What one sequence of bytes can be; the sequences of a range of characters have no text in common. */
export function utf8Sequences(range: CharacterRange): ByteRange[][] {
  const lengths: readonly CharacterRange[] = [
    [0, 0x7f],
    [0x80, 0x7ff],
    [0x800, 0xd7ff],
    [0xe000, 0xffff],
    [0x10000, 0x10ffff],
  ];
  return lengths.flatMap(([from, to]) => {
    const part: CharacterRange = [Math.max(from, range[0]), Math.min(to, range[1])];
    return part[0] <= part[1] ? ofOneLength(part) : [];
  });
}

/** Splits where a last byte would not go through all its values below two different ones before it. */
function ofOneLength([from, to]: CharacterRange): ByteRange[][] {
  const [first, last] = [bytesOf(from), bytesOf(to)];
  for (let i = 1; i < first.length; i++) {
    const low = 2 ** (6 * i) - 1;
    if ((from & ~low) === (to & ~low)) continue;
    if ((from & low) !== 0)
      return [...ofOneLength([from, from | low]), ...ofOneLength([(from | low) + 1, to])];
    if ((to & low) !== low) return [...ofOneLength([from, (to & ~low) - 1]), ...ofOneLength([to & ~low, to])];
  }
  return [first.map((byte, i) => [byte, last[i] ?? byte])];
}

const bytesOf = (character: number): number[] => [...Buffer.from(String.fromCodePoint(character))];
