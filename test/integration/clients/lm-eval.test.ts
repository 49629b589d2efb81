/** The unmodified evaluation harness over HTTP, against itself over transformers: the same model, the same scores. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../cli/src/config.ts';
import { ensureClientPython } from './python.ts';
import { contextLength, required, type ServedModel, servedName, serveModel } from './served-model.ts';

const run = promisify(execFile);
const minutes = 60_000;
const taskFolder = join(import.meta.dirname, 'lm-eval');
let folder: string;
let python: string;
let server: ServedModel;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-lm-eval-'));
  const { cacheRoot, pipArgs } = readConfig();
  python = ensureClientPython({ cacheRoot, python: required('LONGPO_PYTHON'), pipArgs });
  server = await serveModel();
}, 20 * minutes);
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Sample {
  doc_id: number;
  /** One for each choice: text, or log-likelihood and whether it is greedy, both as text. */
  resps: string[][] | [string, string][][];
}

/** Of one task. */
interface Run {
  /** The command's own numbers. */
  results: Record<string, number | string>;
  samples: Sample[];
}

const choosing = 'longpo_capitals';
const generating = 'longpo_capitals_generate';

let runs = 0;

/** The file of its kind in a folder that the harness made. */
const readReport = (directory: string, prefix: string): string => {
  const name = readdirSync(directory, { recursive: true })
    .map(String)
    .find((path) => path.split('/').at(-1)?.startsWith(prefix));
  if (name === undefined) throw new Error(`no ${prefix} in ${directory}`);
  return readFileSync(join(directory, name), 'utf8');
};

interface Evaluation {
  readonly tasks: readonly string[];
  readonly model: string;
  readonly modelArgs: string;
  readonly more?: readonly string[];
}

async function evaluate({ tasks, model, modelArgs, more = [] }: Evaluation): Promise<Record<string, Run>> {
  runs += 1;
  const output = join(folder, `run-${runs}`);
  const args = ['-m', 'lm_eval', '--model', model, '--model_args', modelArgs, '--tasks', tasks.join()];
  const files = ['--include_path', taskFolder, '--output_path', output, '--log_samples'];
  await run(python, [...args, ...files, ...more], {
    cwd: taskFolder,
    maxBuffer: 1 << 26,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      HF_HUB_OFFLINE: '1',
      HF_DATASETS_OFFLINE: '1',
      TOKENIZERS_PARALLELISM: 'false',
    },
  });
  const { results } = JSON.parse(readReport(output, 'results_'));
  return Object.fromEntries(
    tasks.map((task) => {
      // A date follows: the names of the tasks begin alike.
      const lines = readReport(output, `samples_${task}_2`).trim().split('\n');
      const samples = lines.map((line): Sample => JSON.parse(line));
      return [task, { results: results[task], samples: samples.toSorted((a, b) => a.doc_id - b.doc_id) }];
    }),
  );
}

const transformers = (tasks: string[], more: string[] = []) =>
  evaluate({
    tasks,
    model: 'hf',
    modelArgs: `pretrained=${required('LONGPO_TEST_MODEL')},dtype=float32`,
    more: ['--device', 'cpu', '--batch_size', '1', ...more],
  });
const completions = (tasks: string[], modelArgs: string, more: string[] = []) =>
  evaluate({
    tasks,
    model: 'local-completions',
    modelArgs: `model=${servedName},base_url=${server.url}/v1/completions,max_length=${contextLength},${modelArgs}`,
    more,
  });

const likelihoods = (run: Run | undefined) =>
  (run?.samples ?? []).flatMap(({ resps }) => resps.map(([response]) => Number(response?.[0])));
const greedy = (run: Run | undefined) =>
  (run?.samples ?? []).flatMap(({ resps }) => resps.map(([response]) => response?.[1]));
const texts = (run: Run | undefined) => (run?.samples ?? []).map(({ resps }) => String(resps[0]?.[0]));

function expectSameScores(found: Run | undefined, expected: Run | undefined): void {
  const reference = likelihoods(expected);
  const differences = likelihoods(found).map((value, i) => Math.abs(value - (reference[i] ?? Number.NaN)));
  expect([differences.length, reference.includes(0)]).toEqual([24, false]);
  expect(Math.max(...differences)).toBeLessThan(1e-3);
  expect(greedy(found)).toEqual(greedy(expected));
  expect(found?.results['acc,none']).toBe(expected?.results['acc,none']);
}

describe('lm-eval', { timeout: 20 * minutes }, () => {
  test('scores and generates over HTTP, with a remote tokenizer and in batches, as over transformers', async () => {
    const expected = await transformers([choosing, generating]);
    const found = await completions([choosing, generating], 'tokenizer_backend=remote');
    expectSameScores(found[choosing], expected[choosing]);
    expect(texts(found[generating])).toEqual(texts(expected[generating]));
    // The client does not cut: the server has to.
    expect(texts(found[generating]).filter((text) => /[.\n]/.test(text))).toEqual([]);
    const local = `tokenizer_backend=huggingface,tokenizer=${required('LONGPO_TEST_MODEL')},num_concurrent=2`;
    const batched = await completions([choosing], local, ['--batch_size', '3']);
    expectSameScores(batched[choosing], expected[choosing]);
  });
});
