/** Answers of the real model under generated schemas and tools: LONGPO_TEST_MODEL is its folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Engine } from '../../server/src/engine/engine.ts';
import { openEngine } from '../../server/src/engine/open-engine.ts';
import { schemas } from '../../server/src/engine/sampling/constrained/schema-arbitrary.ts';
import { schemaValidator } from '../../server/src/engine/sampling/constrained/schema-validator.ts';
import type { Grammar } from '../../server/src/engine/sampling/grammar.ts';
import { defaultSampling } from '../../server/src/engine/sampling/settings.ts';
import { parseToolCalls } from '../../server/src/engine/sampling/tool-call-text.ts';
import { toolGrammar } from '../../server/src/engine/sampling/tool-calls.ts';
import { openTokenizer, type Tokenizer } from '../../tokens/src/index.ts';

const directory = process.env.LONGPO_TEST_MODEL ?? '';
let cache: string;
let engine: Engine;
let tokenizer: Tokenizer;

beforeAll(async () => {
  if (directory === '') throw new Error('LONGPO_TEST_MODEL is not set; npm test prepares it');
  cache = await mkdtemp(join(tmpdir(), 'longpo-constrained-'));
  tokenizer = await openTokenizer(directory);
  engine = await openEngine({
    directory,
    quantization: 'none',
    cache,
    maxModelLen: 1024,
    ropeTheta: null,
    parallelSequences: 4,
    threads: availableParallelism(),
  });
});
afterAll(async () => {
  await engine?.close();
  if (cache) await rm(cache, { recursive: true });
});

/** null: cut off before its end. */
async function answer(question: string, grammar: Grammar, seed: number): Promise<string | null> {
  const promptIds = tokenizer.chat([{ role: 'user', content: question }]);
  const generation = engine.generate({ ...defaultSampling, promptIds, maxTokens: 80, grammar, seed });
  const ids: number[] = [];
  for await (const { id } of generation.tokens) ids.push(id);
  return (await generation.finishReason) === 'stop' ? tokenizer.decode(ids) : null;
}

test('answers of the model under generated schemas parse and validate', async () => {
  const question = 'Describe a book as JSON.';
  const validated = await Promise.all(
    fc.sample(schemas, { numRuns: 5, seed: 5 }).map(async (schema, seed) => {
      const text = await answer(question, { type: 'json_schema', schema }, seed);
      if (text === null) return null;
      const validate = schemaValidator(schema);
      return validate(JSON.parse(text)) || `${text} against ${JSON.stringify(schema)}`;
    }),
  );
  const ended = validated.filter((result) => result !== null);
  expect(ended.length).toBeGreaterThan(2);
  expect(ended.filter((result) => result !== true)).toEqual([]);
});

test('the same seed gives the same constrained text, whatever else runs', async () => {
  const schema = {
    type: 'object',
    properties: { title: { type: 'string', maxLength: 40 } },
    required: ['title'],
  };
  const ask = (seed: number) => answer('Name a book.', { type: 'json_schema', schema }, seed);
  const alone = await ask(7);
  const [beside] = await Promise.all([ask(7), ask(8), ask(9)]);
  expect(beside).toBe(alone);
  expect(JSON.parse(alone ?? '')).toEqual({ title: expect.any(String) });
});

test('a required call is one of the tools with arguments that validate', async () => {
  const parameters = { type: 'object', properties: { days: { enum: [1, 2, 3] } }, required: ['days'] };
  const grammar = toolGrammar('hermes', [{ function: { name: 'weather', parameters } }], 'required', false);
  if (!grammar) throw new Error('no grammar');
  const text = await answer('What will the weather be?', grammar, 1);
  const { content, calls } = parseToolCalls('hermes', text ?? '');
  expect({ content, names: calls.map(({ name }) => name) }).toEqual({ content: '', names: ['weather'] });
  expect(new Ajv2020().compile(parameters)(JSON.parse(calls[0]?.arguments ?? ''))).toBe(true);
});
