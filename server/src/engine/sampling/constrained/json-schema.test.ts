import { expect, test } from 'vitest';
import { Automaton, dead } from './automaton.ts';
import { Rules } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import { JsonSchemaGrammar } from './json-schema.ts';

function accepts(schema: unknown, text: string): boolean {
  const automaton = new Automaton(new JsonSchemaGrammar(schema, new Rules()).expression());
  let state = automaton.start;
  for (const byte of Buffer.from(text)) state = state === dead ? dead : automaton.next(state, byte);
  return state !== dead && automaton.accepts(state);
}
const accepted = (schema: unknown, texts: readonly string[]): string[] =>
  texts.filter((text) => accepts(schema, text));

test('optional properties may be left out, the order is that of the schema', () => {
  const schema = {
    properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } },
    required: ['b'],
  };
  const right = ['{"b": null}', '{"a": null, "b": null}', '{"a": null, "b": null, "c": null}'];
  expect(
    accepted(schema, [...right, '{}', '{"a": null}', '{"b": null, "a": null}', '{"b": null, }']),
  ).toEqual(right);
});

test('a number lies between its bounds, digit by digit', () => {
  const texts = ['-3', '-2', '-0.5', '0', '0.50', '7', '9.99', '10', '10.01', '011', '-', '1e3'];
  expect(accepted({ type: 'integer', minimum: -2, exclusiveMaximum: 10 }, texts)).toEqual(['-2', '0', '7']);
  expect(accepted({ type: 'number', exclusiveMinimum: -2, maximum: 10 }, texts)).toEqual([
    '0',
    '0.50',
    '7',
    '9.99',
    '10',
  ]);
  expect(
    accepted({ type: 'number', minimum: 0.125, maximum: 0.13 }, ['0.124', '0.125', '0.130', '0.1305']),
  ).toEqual(['0.125', '0.130']);
});

test('a string counts characters, not bytes, and has no control character', () => {
  const texts = ['""', '"日"', '"日本"', '"日本語"', '"\\n\\u00e9"', '"\t"', '"\\ud83d"', '"😀a"'];
  expect(accepted({ type: 'string', minLength: 1, maxLength: 2 }, texts)).toEqual(
    [1, 2, 4, 7].map((i) => texts[i]),
  );
});

test('references may lead back to where they stand, if the text goes on between', () => {
  const schema = {
    $ref: '#/$defs/tree',
    $defs: { tree: { type: 'array', items: { $ref: '#/$defs/tree' }, maxItems: 2 } },
  };
  expect(accepted(schema, ['[]', '[[], [[]]]', '[[], [], []]', '[1]'])).toEqual(['[]', '[[], [[]]]']);
});

const nested = (depth: number): object => (depth === 0 ? {} : { type: 'array', items: nested(depth - 1) });
const properties = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`p${i}`, { type: 'null' }]));

test('deep schemas, and long ones, take no more time than their parts', () => {
  expect(accepts(nested(100), `${'['.repeat(60)}[]${']'.repeat(60)}`)).toBe(true);
  expect(accepted({ properties }, ['{"p7": null, "p998": null}', '{"p998": null, "p7": null}'])).toHaveLength(
    1,
  );
});

const endless = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] };
test.each<[unknown, string]>([
  [{ type: 'array', contains: true }, 'contains at # is not supported'],
  [{ anyOf: [{ type: 'null' }, { not: {} }] }, 'not at #/anyOf/1 is not supported'],
  [
    { oneOf: [{ type: 'integer' }, { type: 'number' }] },
    'oneOf at #: two of its schemas may both hold; use anyOf',
  ],
  [{ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } }, '$ref #/$defs/a at #/$defs/a leads to itself'],
  [{ $ref: 'https://example.com' }, '$ref https://example.com at # is not in this schema'],
  [endless, 'no finite JSON is valid'],
  [{ type: 'integer', minimum: 3, maximum: 2 }, 'no number is valid at #'],
  [{ type: 'float' }, 'type at # is none of null, boolean, integer, number, string, array, object'],
  [{ enum: ['a'], minLength: 2 }, 'enum beside minLength at # is not supported'],
  [nested(300), 'nested deeper than 200'],
  [{ enum: Array.from({ length: 10_000 }, (_, i) => i) }, 'more than 10000 parts'],
  [{ type: 'string', pattern: 'a'.repeat(10_000) }, 'more than 10000 parts'],
  [false, 'nothing is valid at #'],
  ['string', '# is not a schema'],
])('refuses %j', (schema, message) => {
  expect(() => accepts(schema, '')).toThrow(new GrammarError(message));
});
