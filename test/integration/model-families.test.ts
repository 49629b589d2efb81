/**
 * Every family with every rotary embedding, head size, bias and window, against transformers: tiny random models, all
 * positions of a prompt. LONGPO_PYTHON is a Python with torch and transformers; without it the suite fails.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Decoder } from '../../server/src/engine/decoder.ts';
import { rotaryFrequencies } from '../../server/src/engine/rotary-frequencies.ts';
import { type FixtureOptions, writeFixtureModel } from '../../server/src/model/fixture.ts';
import { openModelFolder } from '../../server/src/model/folder.ts';

const promptLength = 150;
/** Longer than the lengths that the models below were "trained" on. */
const prompt = Array.from({ length: promptLength }, (_, i) => (i * 29 + 5) % 96);
const trainedLength = 64;

const families: Record<string, Record<string, unknown>> = {
  Llama: { architectures: ['LlamaForCausalLM'], model_type: 'llama' },
  Mistral: { architectures: ['MistralForCausalLM'], model_type: 'mistral', sliding_window: null },
  Qwen2: { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' },
  Qwen3: { architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3' },
};

/** One divisor for each of the 8 frequencies of heads of 16. */
const divisors = (step: number): number[] => Array.from({ length: 8 }, (_, i) => 1 + i * step);
const longrope = { rope_type: 'longrope', short_factor: divisors(0.1), long_factor: divisors(0.7) };

const ropes: Record<string, Record<string, unknown>> = {
  default: { rope_type: 'default' },
  linear: { rope_type: 'linear', factor: 2.5 },
  'dynamic within its length': { rope_type: 'dynamic', factor: 2 },
  'dynamic beyond its length': { rope_type: 'dynamic', factor: 2, beyond: true },
  yarn: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: trainedLength },
  'yarn with its own factors': {
    rope_type: 'yarn',
    factor: 4,
    beta_fast: 4,
    beta_slow: 0.5,
    mscale: 0.7,
    mscale_all_dim: 0.9,
    truncate: false,
    original_max_position_embeddings: trainedLength,
  },
  llama3: {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: trainedLength,
  },
  'longrope short': { ...longrope, original_max_position_embeddings: promptLength },
  'longrope long': { ...longrope, original_max_position_embeddings: trainedLength },
};

const yarned = { rope_parameters: { rope_theta: 10_000, ...ropes.yarn } };

interface Case {
  readonly name: string;
  readonly model: FixtureOptions;
}

function ropeCases(): Case[] {
  return Object.entries(families).flatMap(([family, config]) =>
    Object.entries(ropes).map(([rope, { beyond, ...parameters }]) => ({
      name: `${family}, rope ${rope}`,
      model: {
        config: {
          ...config,
          ...(beyond ? { max_position_embeddings: trainedLength } : {}),
          rope_parameters: { rope_theta: 10_000, ...parameters },
        },
      },
    })),
  );
}

const older = (rope_scaling: Record<string, unknown>): Record<string, unknown> => ({
  rope_parameters: undefined,
  rope_theta: 500_000,
  rope_scaling,
});

const cases: Case[] = [
  ...ropeCases(),
  { name: 'rope_scaling with type', model: { config: older({ type: 'linear', factor: 3 }) } },
  {
    name: 'rope_scaling beside rope_parameters',
    model: { config: { rope_theta: 500_000, rope_scaling: { rope_type: 'yarn', factor: 2 } } },
  },
  {
    name: 'the original length at the top',
    model: {
      config: {
        ...older({ ...longrope, rope_type: 'longrope' }),
        original_max_position_embeddings: trainedLength,
      },
    },
  },
  ...[2, 4, 6, 8, 20, 24, 40, 64, 72, 80, 96, 100, 120, 128, 256].map((head_dim) => ({
    name: `heads of ${head_dim}`,
    model: { config: { head_dim } },
  })),
  ...Object.entries(families).map(([family, config]) => ({
    name: `${family}, heads that do not divide the hidden size`,
    model: { config: { ...config, head_dim: 18, ...yarned } },
  })),
  ...Object.entries(families).map(([family, config]) => ({
    name: `${family}, a head of its own, in shards`,
    model: { shards: 3, config: { ...config, tie_word_embeddings: false } },
  })),
  { name: 'Llama with every bias', model: { config: { attention_bias: true, mlp_bias: true } } },
  {
    name: 'Qwen3 with biases',
    model: { config: { ...families.Qwen3, attention_bias: true } },
  },
  {
    name: 'Mistral with a window',
    model: { config: { ...families.Mistral, sliding_window: 37 } },
  },
  {
    name: 'Qwen2 whose later layers slide',
    model: {
      config: {
        ...families.Qwen2,
        use_sliding_window: true,
        sliding_window: 10,
        max_window_layers: 1,
        num_hidden_layers: 3,
      },
    },
  },
  {
    name: 'Qwen3 with named layer types',
    model: {
      config: {
        ...families.Qwen3,
        use_sliding_window: true,
        sliding_window: 64,
        layer_types: ['sliding_attention', 'full_attention'],
      },
    },
  },
];

let root: string;
const folderOf = ({ name }: Case): string => join(root, name.replaceAll(/\W+/g, '-'));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-families-'));
  for (const each of cases) await writeFixtureModel(folderOf(each), each.model);
  await runTransformers(cases.map((each) => ({ model: folderOf(each), prompt })));
});
afterAll(() => rm(root, { recursive: true }));

async function runTransformers(input: unknown): Promise<void> {
  const python = process.env.LONGPO_PYTHON;
  if (!python) throw new Error('LONGPO_PYTHON is not set; npm test prepares it');
  const script = join(import.meta.dirname, '..', 'engine', 'families-reference.py');
  const child = spawn(python, [script], { stdio: ['pipe', 'inherit', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.end(JSON.stringify(input));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(errors);
}

test.each(cases)('$name: the logits of transformers', { timeout: 60_000 }, async (each) => {
  const folder = folderOf(each);
  const { architecture, tensors } = await openModelFolder(folder);
  const bytes = await readFile(join(folder, 'logits.f32'));
  const expected = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const settings = { architecture, ropeTheta: architecture.ropeTheta, positions: promptLength };
  const decoder = await Decoder.open({
    ...settings,
    tensors,
    quantized: null,
    bitEqual: true,
    slots: 1,
    threads: 1,
    chunkTokens: 64,
    maxDraft: 0,
  });
  const found = await logitsOf(decoder);
  await decoder.close();
  expect(found.length).toBe(expected.length);
  expect(largestDifference(found, expected)).toBeLessThan(1e-4);
  const rope = JSON.parse(await readFile(join(folder, 'rope.json'), 'utf8'));
  const { inverse, attentionFactor } = rotaryFrequencies(settings);
  expect(attentionFactor).toBeCloseTo(rope.attentionFactor, 12);
  expect(unitsApart(inverse, Float32Array.from(rope.inverse))).toBeLessThanOrEqual(2);
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}

/** Read in chunks, so that keys of the cache are used too. */
async function logitsOf(decoder: Decoder): Promise<Float32Array> {
  const all = new Float32Array(promptLength * decoder.vocabularySize);
  for (let past = 0; past < promptLength; past += decoder.chunkTokens) {
    const ids = prompt.slice(past, past + decoder.chunkTokens);
    const rows = await decoder.run({ slot: 0, ids, past, at: [...ids.keys()] });
    all.set(rows, past * decoder.vocabularySize);
  }
  return all;
}

/** Largest distance in units of the last place of float32. */
function unitsApart(a: Float32Array, b: Float32Array): number {
  const [left, right] = [a, b].map((values) => new Int32Array(Float32Array.from(values).buffer));
  expect(left?.length).toBe(right?.length);
  return Math.max(...[...(left ?? [])].map((bits, i) => Math.abs(bits - (right?.[i] ?? 0))));
}
