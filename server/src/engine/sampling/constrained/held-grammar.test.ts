import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Constraint } from '../constraint.ts';
import type { Grammar } from '../grammar.ts';
import { seededRandom } from '../random.ts';
import { parseToolCalls } from '../tool-call-text.ts';
import { toolGrammar } from '../tool-calls.ts';
import { endId, heldTo, randomAnswer, specialId, vocabularySize } from './fixture.ts';
import { schemas } from './schema-arbitrary.ts';
import { schemaValidator } from './schema-validator.ts';

/** Texts of random logits; those that did not end are left out. */
function answers(grammar: Grammar, count: number, seed: number): string[] {
  const random = seededRandom(seed);
  const begin = heldTo(grammar);
  const texts = Array.from({ length: count }, () => randomAnswer(begin(), random));
  return texts.filter((text) => text !== null);
}

test('every answer under a schema parses and validates, whatever the model would say', () => {
  let ended = 0;
  fc.assert(
    fc.property(schemas, fc.nat(), (schema, seed) => {
      const validate = schemaValidator(schema);
      for (const text of answers({ type: 'json_schema', schema }, 3, seed)) {
        ended += 1;
        if (!validate(JSON.parse(text))) throw new Error(`${text}: ${JSON.stringify(validate.errors)}`);
      }
    }),
    { numRuns: 100, endOnFailure: true },
  );
  expect(ended).toBeGreaterThan(200);
});

test('json_object gives an object', () => {
  const texts = answers({ type: 'json_object' }, 20, 1);
  const kinds = texts.map((text): unknown => JSON.parse(text)).map((value) => typeof value === 'object');
  expect(new Set(kinds)).toEqual(new Set([true]));
});

const weather = {
  name: 'weather',
  parameters: { type: 'object', properties: { days: { type: 'integer', maximum: 9 } }, required: ['days'] },
};
const tools = [{ function: weather }, { function: { name: 'time' } }];
const isWeather = new Ajv2020().compile(weather.parameters);

test.each(['hermes', 'llama3', 'mistral'] as const)('%s: required calls are whole and right', (format) => {
  const grammar = toolGrammar(format, tools, 'required');
  if (!grammar) throw new Error('no grammar');
  const divided = answers(grammar, 20, 2).map((text) => parseToolCalls(format, text));
  const calls = divided.flatMap((answer) => answer.calls);
  expect(divided.filter(({ content, calls: own }) => content !== '' || own.length === 0)).toEqual([]);
  expect(new Set(calls.map(({ name }) => name))).toEqual(new Set(['weather', 'time']));
  expect(calls.filter((call) => call.name === 'weather' && !isWeather(JSON.parse(call.arguments)))).toEqual(
    [],
  );
});

test.each([
  ['hermes', 'It is 3 < 5.<tool_call', '>'],
  ['llama3', 'So: {{"name": ', ''],
  ['mistral', '[[{"name": ', ''],
] as const)('%s: in free text a call that begins must be right to its end', (format, start, more) => {
  const grammar = toolGrammar(format, tools, 'auto', false);
  if (!grammar) throw new Error('no grammar');
  const random = seededRandom(3);
  const begin = heldTo(grammar);
  const cut = Array.from({ length: 10 }, () => randomAnswer(begin(), random, { start: start + more }));
  const texts = cut.filter((text) => text !== null);
  const divided = texts.map((text) => parseToolCalls(format, text));
  expect(texts.length).toBeGreaterThan(5);
  expect(divided.filter(({ calls }) => calls.length !== 1)).toEqual([]);
});

function allowed(constraint: Constraint): number[] {
  const logits = new Float32Array(vocabularySize);
  constraint.apply(logits);
  return [...logits.keys()].filter((id) => logits[id] === 0);
}

test('free text may end at any place, special tokens never come, and after the end only the end', () => {
  const grammar = toolGrammar('hermes', tools, 'auto');
  if (!grammar) throw new Error('no grammar');
  const constraint = heldTo(grammar)();
  const first = allowed(constraint);
  expect(first).toEqual(expect.arrayContaining(['a'.charCodeAt(0), '<'.charCodeAt(0), endId]));
  expect(first).not.toContain(specialId);
  constraint.accept(endId);
  expect(allowed(constraint)).toEqual([endId]);
});

test.each(['valueOf', 'toString', 'constructor', '__proto__'])(
  'an answer with the key %s is validated too',
  (key) => {
    const wanted = JSON.parse(`{"${key}": null, "zero": 0}`);
    const other = JSON.parse(`{"${key}": 1, "zero": 0}`);
    for (const schema of [{ const: wanted }, { enum: ['x', wanted] }]) {
      const validate = schemaValidator(schema);
      expect([wanted, other].map((value) => validate(value))).toEqual([true, false]);
      const texts = answers({ type: 'json_schema', schema }, 4, 1);
      expect(texts.map((text) => validate(JSON.parse(text)))).toEqual([true, true, true, true]);
    }
  },
);
