import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Grammar } from '../grammar.ts';
import { Automaton, dead } from './automaton.ts';
import { expressionOf } from './compile.ts';
import { GrammarError } from './grammar-error.ts';

function reader(grammar: Grammar): (text: string) => boolean {
  const automaton = new Automaton(expressionOf(grammar));
  return (text) => {
    let state = automaton.start;
    for (const byte of Buffer.from(text)) state = state === dead ? dead : automaton.next(state, byte);
    return state !== dead && automaton.accepts(state);
  };
}

const regex = (pattern: string) => reader({ type: 'regex', pattern });
const string = (schema: object) => reader({ type: 'json_schema', schema: { type: 'string', ...schema } });

const atoms = [
  'a',
  'b',
  '1',
  '.',
  '[^a]',
  '[a-c]',
  '\\d',
  '\\W',
  '\\s',
  'é',
  '"',
  '\\\\',
  '\\n',
  '\\u{1f600}',
];
const patterns = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(...atoms),
    fc.array(tie('pattern'), { maxLength: 3 }).map((parts) => parts.join('')),
    fc.array(tie('pattern'), { minLength: 1, maxLength: 3 }).map((options) => `(?:${options.join('|')})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{2,}', '*?'))
      .map(([of, times]) => `(${of})${times}`),
  ),
})).pattern;
const texts = fc.string({ unit: fc.constantFrom(...'ab1é"\\\n 😀'), maxLength: 5 });

test('a regular expression is what JavaScript takes it for', () => {
  let matched = 0;
  fc.assert(
    fc.property(patterns, fc.array(texts, { minLength: 20, maxLength: 20 }), (pattern, list) => {
      const whole = new RegExp(`^(?:${pattern})$`, 'u');
      const right = list.filter((text) => whole.test(text));
      matched += right.length;
      expect(list.filter(regex(`^(?:${pattern})$`))).toEqual(right);
      expect(list.filter(regex(`(?:${pattern})`))).toEqual(right);
    }),
    { numRuns: 200 },
  );
  expect(matched).toBeGreaterThan(100);
});

test('a pattern stands anywhere in a string unless it is anchored', () => {
  fc.assert(
    fc.property(
      patterns,
      fc.constantFrom(['', ''], ['^', ''], ['', '$'], ['^', '$']),
      fc.array(texts, { minLength: 20, maxLength: 20 }),
      (inner, [start, end], list) => {
        const pattern = `${start}(?:${inner})${end}`;
        const accepts = string({ pattern });
        expect(list.filter((text) => accepts(JSON.stringify(text)))).toEqual(
          list.filter((text) => new RegExp(pattern, 'u').test(text)),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test('anchors may stand at the ends of each alternative', () => {
  const accepts = string({ pattern: '^a$|(?:^b|(c$))|d$' });
  const list = ['a', 'aa', 'b', 'bx', 'xb', 'xc', 'cx', 'xd', 'dx'].filter((text) => accepts(`"${text}"`));
  expect(list).toEqual(['a', 'b', 'bx', 'xc', 'xd']);
});

test('the lengths of a string narrow the one repetition of its pattern', () => {
  const lengths = { minLength: 2, maxLength: 3 };
  const taken = (pattern: string, list: string[]) => {
    const accepts = string({ pattern, ...lengths });
    return list.filter((text) => accepts(JSON.stringify(text)));
  };
  expect(taken('^[a-z]+$', ['a', 'ab', 'abc', 'abcd', 'A1'])).toEqual(['ab', 'abc']);
  expect(taken('^A\\d*$', ['A', 'A1', 'A12', 'A123'])).toEqual(['A1', 'A12']);
  expect(taken('^(?:x|yy|z{5})$', ['x', 'yy', 'zzzzz'])).toEqual(['yy']);
  expect(taken('^(?:ab)*$', ['', 'ab', 'abab'])).toEqual(['ab']);
  expect(taken('^"', ['"', '""', '"""', '""""'])).toEqual(['""', '"""']);
});

test.each([
  ['a(?=b)', '(?=b) is not supported'],
  ['a\\b', '\\b is not supported'],
  ['(a)\\1', '\\1 is not supported'],
  ['(?i:a)', '(?i:a) is not supported'],
  ['\\p{L}', '\\p{L} is not supported'],
  ['(a$)b', '$ is not supported'],
  ['^(a|b$)', '$ is not supported'],
  ['a{20000}', 'a{20000} repeats more than 10000 times'],
  ['[^\\s\\S]', 'no text matches [^\\s\\S]'],
  ['[\\ud800-\\udfff]', 'no text matches [\\ud800-\\udfff]'],
  ['(', 'Invalid regular expression: /(/u: Unterminated group'],
])('refuses %s', (pattern, message) => {
  expect(() => regex(pattern)).toThrow(new GrammarError(message));
});

test('says where the pattern of a schema stands', () => {
  const schema = { properties: { a: { type: 'string', pattern: 'a+b+', maxLength: 2 } } };
  const message = 'pattern at #/properties/a: its length is not that of one repetition';
  expect(() => reader({ type: 'json_schema', schema })).toThrow(new GrammarError(message));
});
