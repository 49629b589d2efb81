/** How many characters a text of an expression has, and the same expression for texts of some lengths only. */
import { choice, type Expression, repeat, sequence } from './expression.ts';
import { GrammarError } from './grammar-error.ts';

type Lengths = readonly [min: number, max: number];

/** Of an expression without rules. */
function lengthsOf(e: Expression): Lengths {
  switch (e.kind) {
    case 'text':
      return [[...e.text].length, [...e.text].length];
    case 'set':
      return [1, 1];
    case 'sequence':
      return sum(e.parts.map(lengthsOf));
    case 'choice': {
      const lengths = e.options.map(lengthsOf);
      return [Math.min(...lengths.map(([min]) => min)), Math.max(0, ...lengths.map(([, max]) => max))];
    }
    case 'repeat': {
      const [min, max] = lengthsOf(e.of);
      return [min * e.min, max === 0 ? 0 : max * (e.max ?? Number.POSITIVE_INFINITY)];
    }
    case 'rule':
      return [0, Number.POSITIVE_INFINITY];
  }
}

const sum = (lengths: readonly Lengths[]): Lengths =>
  lengths.reduce(([min, max], of) => [min + of[0], max + of[1]], [0, 0]);

/** Where lengths come from one repetition its counts say them; else they would have to be counted beside the text. */
export function ofLength(e: Expression, [min, max]: Lengths): Expression {
  const [shortest, longest] = lengthsOf(e);
  if (shortest > max || longest < min) return choice();
  if (shortest >= min && longest <= max) return e;
  if (e.kind === 'choice') return choice(...e.options.map((option) => ofLength(option, [min, max])));
  if (e.kind === 'sequence') return sequenceOfLength(e.parts, [min, max]);
  if (e.kind === 'repeat') return repeatOfLength(e, [min, max]);
  throw uncounted();
}

const uncounted = (): GrammarError => new GrammarError('its length is not that of one repetition');

function repeatOfLength(e: Extract<Expression, { kind: 'repeat' }>, [min, max]: Lengths): Expression {
  const [unit, widest] = lengthsOf(e.of);
  if (unit !== widest) throw uncounted();
  const from = Math.max(e.min, Math.ceil(min / unit));
  const to = Math.min(e.max ?? Number.POSITIVE_INFINITY, Math.floor(max / unit));
  if (from > to) return choice();
  return repeat(e.of, from, to === Number.POSITIVE_INFINITY ? null : to);
}

function sequenceOfLength(parts: readonly Expression[], [min, max]: Lengths): Expression {
  const lengths = parts.map(lengthsOf);
  const open = lengths.flatMap(([shortest, longest], at) => (shortest < longest ? [at] : []));
  const [at, second] = open;
  if (at === undefined || second !== undefined) throw uncounted();
  const [others] = sum(lengths.toSpliced(at, 1));
  return sequence(
    ...parts.map((part, i) => (i === at ? ofLength(part, [Math.max(min - others, 0), max - others]) : part)),
  );
}
