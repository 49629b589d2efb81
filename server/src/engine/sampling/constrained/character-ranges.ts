/** Sets of characters as ranges of code points. */

/** First and last code point. */
export type CharacterRange = readonly [from: number, to: number];

export const anyCharacter: CharacterRange = [0, 0x10ffff];
const surrogates: CharacterRange = [0xd800, 0xdfff];

/** The others, in order. */
export function complement(ranges: readonly CharacterRange[]): CharacterRange[] {
  const left: CharacterRange[] = [];
  let next = anyCharacter[0];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) left.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= anyCharacter[1]) left.push([next, anyCharacter[1]]);
  return left;
}

export const without = (
  ranges: readonly CharacterRange[],
  removed: readonly CharacterRange[],
): CharacterRange[] => complement([...complement(ranges), ...removed]);

/** Text in UTF-8 has none. */
export const withoutSurrogates = (ranges: readonly CharacterRange[]): CharacterRange[] =>
  without(ranges, [surrogates]);
