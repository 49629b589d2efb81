/** The unmodified evaluation harness over HTTP, against itself over transformers: the same model, the same scores. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureClientPython } from './python.ts';
import { contextLength, required, type ServedModel, servedName, serveModel } from './served-model.ts';

const run = promisify(execFile);
const minutes = 60_000;
const script = join(import.meta.dirname, 'lm_eval_client.py');
const taskFolder = join(import.meta.dirname, 'lm-eval');
const choosing = 'longpo_capitals';
const generating = 'longpo_capitals_generate';

/** What the harness is asked; its words. */
interface Evaluation {
  readonly model: string;
  readonly model_args: Readonly<Record<string, string | number>>;
  readonly tasks: readonly string[];
  readonly batch_size?: number;
  readonly apply_chat_template?: boolean;
}

/** Of one task. */
interface Scores {
  readonly results: Readonly<Record<string, number | string>>;
  /** For each request of the document: a text, or the log-likelihood of a choice and whether it is greedy. */
  readonly samples: readonly { readonly doc_id: number; readonly resps: readonly (readonly unknown[])[] }[];
}

let folder: string;
let server: ServedModel;
let expected: Record<string, Scores>;
let remote: Record<string, Scores>;
let batched: Record<string, Scores>;
let expectedChat: Record<string, Scores>;
let chat: Record<string, Scores>;

async function evaluate(
  python: string,
  evaluations: readonly Evaluation[],
): Promise<Record<string, Scores>[]> {
  const offline = { HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' };
  // Threads of torch wait for each other at every product, and longest where the processors are busy.
  const threads = { OMP_NUM_THREADS: '1' };
  const running = run(python, [script, taskFolder], {
    // The tasks name their documents by a relative path.
    cwd: taskFolder,
    maxBuffer: 1 << 26,
    env: { PATH: process.env.PATH, HOME: folder, ...offline, ...threads },
  });
  running.child.stdin?.end(JSON.stringify(evaluations));
  return JSON.parse((await running).stdout.trim().split('\n').at(-1) ?? '');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-lm-eval-'));
  const python = ensureClientPython(required('LONGPO_PYTHON'));
  server = await serveModel();
  const model = required('LONGPO_TEST_MODEL');
  const hf = {
    model: 'hf',
    model_args: { pretrained: model, dtype: 'float32', device: 'cpu' },
    batch_size: 1,
  };
  const api = { model: servedName, max_length: contextLength };
  const completions = {
    model: 'local-completions',
    model_args: { ...api, base_url: `${server.url}/v1/completions` },
  };
  const local = { tokenizer_backend: 'huggingface', tokenizer: model, num_concurrent: 2 };
  const chats = { tasks: [generating], apply_chat_template: true };
  const found = await evaluate(python, [
    { ...hf, tasks: [choosing, generating] },
    // It finds out by itself that the server has a tokenizer.
    { ...completions, tasks: [choosing, generating] },
    { ...completions, model_args: { ...completions.model_args, ...local }, tasks: [choosing], batch_size: 3 },
    { ...hf, ...chats },
    {
      model: 'local-chat-completions',
      model_args: { ...api, base_url: `${server.url}/v1/chat/completions` },
      ...chats,
    },
  ]);
  [expected = {}, remote = {}, batched = {}, expectedChat = {}, chat = {}] = found;
}, 30 * minutes);
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const responses = (scores: Scores | undefined) =>
  (scores?.samples ?? [])
    .toSorted((a, b) => a.doc_id - b.doc_id)
    .flatMap(({ resps }) => resps.map(([response]) => response));
const likelihoods = (scores: Scores | undefined) =>
  (responses(scores) as [number, boolean][]).map(([likelihood]) => likelihood);
const greedy = (scores: Scores | undefined) =>
  (responses(scores) as [number, boolean][]).map(([, isGreedy]) => isGreedy);

function expectSameScores(found: Scores | undefined): void {
  const reference = likelihoods(expected[choosing]);
  const differences = likelihoods(found).map((value, i) => Math.abs(value - (reference[i] ?? Number.NaN)));
  expect([differences.length, reference.includes(0)]).toEqual([24, false]);
  expect(Math.max(...differences)).toBeLessThan(1e-3);
  expect(new Set(greedy(found)).size).toBe(2);
  expect(greedy(found)).toEqual(greedy(expected[choosing]));
  expect(found?.results['acc,none']).toBe(expected[choosing]?.results['acc,none']);
}

test('lm-eval scores over HTTP, with the tokenizer of the server, as over transformers', () => {
  expectSameScores(remote[choosing]);
});

test('lm-eval scores in batches of texts of several lengths, two at once, as over transformers', () => {
  expectSameScores(batched[choosing]);
});

test('lm-eval gets the texts that transformers writes, cut before the stop strings', () => {
  const texts = responses(remote[generating]).map(String);
  expect(texts).toEqual(responses(expected[generating]));
  // The client does not cut: the server has to.
  expect([texts.length, texts.filter((text) => /[.\n]/.test(text))]).toEqual([8, []]);
});

test('lm-eval chats by the template of the server as by that of transformers', () => {
  expect(responses(chat[generating]).length).toBe(8);
  expect(responses(chat[generating])).toEqual(responses(expectedChat[generating]));
});
