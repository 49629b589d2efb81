/** The pattern of a string in a schema: what its text may be, as JSON writes it. */
import { type CharacterRange, without } from './character-ranges.ts';
import { choice, type Expression, repeat, sequence, text } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import { ofLength } from './lengths.ts';
import { regexExpression } from './regex.ts';

/** A pattern without anchors may stand anywhere in the string. Lengths are in characters. */
export function patternString(
  pattern: string,
  [min, max]: readonly [min: number, max: number | null],
  path: string,
): Expression {
  try {
    const content = regexExpression(pattern, 'any');
    return sequence(text('"'), inJson(ofLength(content, [min, max ?? Number.POSITIVE_INFINITY])), text('"'));
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw new GrammarError(`pattern at ${path}: ${error.message}`);
  }
}

/** The text of a regular expression, each character of which is a set. */
function inJson(e: Expression): Expression {
  switch (e.kind) {
    case 'set':
      return choice({ kind: 'set', ranges: without(e.ranges, escaped) }, ...escapesOf(e.ranges));
    case 'sequence':
      return sequence(...e.parts.map(inJson));
    case 'choice':
      return choice(...e.options.map(inJson));
    case 'repeat':
      return repeat(inJson(e.of), e.min, e.max);
    case 'text':
    case 'rule':
      return e;
  }
}

/** Characters that JSON writes with a backslash: control characters, the quote and the backslash itself. */
const escaped: readonly CharacterRange[] = [
  [0x00, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
const escapedCodes = escaped.flatMap(([from, to]) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i),
);

const escapesOf = (ranges: readonly CharacterRange[]): Expression[] =>
  escapedCodes
    .filter((code) => ranges.some(([from, to]) => code >= from && code <= to))
    .map((code) => text(JSON.stringify(String.fromCodePoint(code)).slice(1, -1)));
