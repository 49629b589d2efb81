/**
 * Regular expressions of ECMAScript, with the flag u, as expressions. Obeyed are those that say which characters follow
 * each other; what looks around, back or at letter case is an error.
 */
import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { anyCharacter, type CharacterRange, complement, withoutSurrogates } from './character-ranges.ts';
import { choice, type Expression, repeat, sequence, text } from './expression.ts';
import { GrammarError } from './grammar-error.ts';

const maxCharacters = 10_000;
const maxCount = 10_000;

/** Where no anchor stands the text ends, or any text may be. Every character is a set of its own. */
export function regexExpression(pattern: string, unanchored: 'ends' | 'any'): Expression {
  const beyond = unanchored === 'ends' ? text('') : repeat(characters([anyCharacter]), 0, null);
  return whole(parse(pattern).alternatives, beyond);
}

function parse(pattern: string): AST.Pattern {
  if (pattern.length > maxCharacters)
    throw new GrammarError(`a regular expression of more than ${maxCharacters} characters`);
  try {
    return new RegExpParser({ ecmaVersion: 2025 }).parsePattern(pattern, undefined, undefined, {
      unicode: true,
    });
  } catch (error) {
    throw new GrammarError(error instanceof Error ? error.message : String(error));
  }
}

/** Anchors stand at the ends of an alternative, or of those of a group that is all of one. */
function whole(alternatives: readonly AST.Alternative[], beyond: Expression): Expression {
  const options = alternatives.map(({ elements }) => {
    const [only, ...others] = elements;
    if (only && others.length === 0 && isPlainGroup(only)) return whole(only.alternatives, beyond);
    const starts = isEdge(elements[0], 'start');
    const ends = isEdge(elements.at(-1), 'end');
    const inner = elements.slice(starts ? 1 : 0, ends ? -1 : undefined).map(expressionOfElement);
    return sequence(starts ? text('') : beyond, ...inner, ends ? text('') : beyond);
  });
  return choice(...options);
}

function expressionOfElement(element: AST.Element): Expression {
  switch (element.type) {
    case 'Character':
    case 'CharacterSet':
    case 'CharacterClass':
      return characters(rangesOf(element));
    case 'Quantifier':
      return repeated(element);
    case 'Group':
    case 'CapturingGroup':
      if (!isPlainGroup(element)) throw unsupported(element);
      return choice(
        ...element.alternatives.map(({ elements }) => sequence(...elements.map(expressionOfElement))),
      );
    default:
      throw unsupported(element);
  }
}

function repeated({ element, min, max, raw }: AST.Quantifier): Expression {
  if (min > maxCount || (max > maxCount && max !== Number.POSITIVE_INFINITY))
    throw new GrammarError(`${raw} repeats more than ${maxCount} times`);
  return repeat(expressionOfElement(element), min, max === Number.POSITIVE_INFINITY ? null : max);
}

const characters = (ranges: readonly CharacterRange[]): Expression => ({
  kind: 'set',
  ranges: withoutSurrogates(ranges),
});

type OneCharacter = AST.Character | AST.CharacterSet | AST.CharacterClass | AST.ExpressionCharacterClass;

function rangesOf(element: OneCharacter | AST.ClassRangesCharacterClassElement): readonly CharacterRange[] {
  switch (element.type) {
    case 'Character':
      return [[element.value, element.value]];
    case 'CharacterClassRange':
      return [[element.min.value, element.max.value]];
    case 'CharacterSet':
      return rangesOfSet(element);
    case 'CharacterClass': {
      const ranges = element.elements.flatMap((of) => {
        if (of.type === 'ClassStringDisjunction' || of.type === 'ExpressionCharacterClass')
          throw unsupported(of);
        return rangesOf(of);
      });
      return element.negate ? complement(ranges) : ranges;
    }
    default:
      throw unsupported(element);
  }
}

const lineEnds: readonly CharacterRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const digits: readonly CharacterRange[] = [[0x30, 0x39]];
const words: readonly CharacterRange[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const spaces: readonly CharacterRange[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];

function rangesOfSet(set: AST.CharacterSet): readonly CharacterRange[] {
  if (set.kind === 'any') return complement(lineEnds);
  if (set.kind === 'property') throw unsupported(set);
  const ranges = { digit: digits, word: words, space: spaces }[set.kind];
  return set.negate ? complement(ranges) : ranges;
}

const isEdge = (element: AST.Element | undefined, kind: 'start' | 'end'): boolean =>
  element?.type === 'Assertion' && element.kind === kind;

const isPlainGroup = (element: AST.Element): element is AST.Group | AST.CapturingGroup =>
  element.type === 'CapturingGroup' || (element.type === 'Group' && element.modifiers === null);

const unsupported = ({ raw }: { readonly raw: string }): GrammarError =>
  new GrammarError(`${raw} is not supported`);
