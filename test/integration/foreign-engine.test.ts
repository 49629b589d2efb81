import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateConfig, preferenceRow } from '../../api/src/index.ts';
import { findDocuments } from '../../examples/quickstart/prepare.ts';
import { openCompletions } from '../../preferences/src/index.ts';
import { freePort } from '../e2e/longpo-run.ts';
import { type LlamaServer, startLlamaServer } from './llama-server/server.ts';

/** Our clients against a server that is not ours: what `generate.endpoint` and engine vllm rest on. */
const required = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`npm test\`, which prepares the real model`);
  return value;
};
const source = (...path: string[]) => join(import.meta.dirname, '..', '..', ...path);

const context = 2048;
let folder: string;
let server: LlamaServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-llama-'));
  server = await startLlamaServer(required('LONGPO_PYTHON'), required('LONGPO_TEST_GGUF'), await freePort(), {
    name: 'llama',
    context,
  });
});
afterAll(() => {
  server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
const open = () =>
  openCompletions({ endpoint: server.url, apiKey: 'none', model: 'llama', patienceMs: 10_000 });
const question = (prompt: string, maxTokens: number) => ({
  prompt,
  decoding: { temperature: 0, topP: 1, maxTokens },
  seed: 7,
});

describe("the generator's client", () => {
  it('finds the server ready, and reads its answers and their ends', async () => {
    const completions = open();
    await completions.ready(never);
    const short = await completions.ask(question('hi', 4), never);
    const whole = await completions.ask(question('hi', 64), never);
    expect([short.end, whole.end]).toEqual(['length', 'stop']);
    expect(whole.text.startsWith(short.text)).toBe(true);
    expect(whole.tokens).toBeGreaterThan(short.tokens);
  });

  it('takes a prompt that does not fit for what it is', async () => {
    expect(await open().ask(question('word '.repeat(2 * context), 4), never)).toEqual({
      text: '',
      tokens: 0,
      end: 'too_long',
    });
  });
});

it('longpo chat finds the model, streams the answer that is had whole too, and keeps the conversation', async () => {
  const child = spawn(
    process.execPath,
    [source('cli', 'src', 'main.ts'), 'chat', '--url', server.url, '--temperature', '0'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.end('hi\nhi\n');
  const ended = new Promise((resolve) => child.once('close', resolve));
  const [first, second] = (await text(child.stdout)).split('\n').filter((line) => line !== '');
  expect(await ended).toBe(0);
  const alone = await open().ask(question('hi', 64), never);
  expect(first).toBe(alone.text);
  // The same words, but no longer the first ones.
  expect(second).not.toBe(first);
});

it('the generate role writes rows whose chunks are parts of their documents', async () => {
  const documents = join(folder, 'documents');
  mkdirSync(documents);
  for (const n of [1, 2, 3])
    copyFileSync(join(findDocuments(), `chapter_${n}.txt`), join(documents, `${n}.txt`));
  const config = generateConfig.parse({
    training: 'llama',
    stage: '1k',
    attempt: 1,
    servedModelName: 'llama',
    tokenizer: required('LONGPO_TEST_MODEL'),
    documents,
    contextLength: 1024,
    directory: 'data',
    seed: 42,
    concurrency: 2,
    chunkTokens: { min: 96, max: 384 },
    minDocumentTokens: 256,
    maxDocuments: 2,
    chunksPerDocument: 1,
    question: { maxTokens: 96 },
    answer: { temperature: 0, maxTokens: 48 },
  });
  const log = join(folder, 'termination-log');
  const child = spawn(process.execPath, [source('preferences', 'src', 'main.ts')], {
    env: {
      ...process.env,
      LONGPO_CONFIG: JSON.stringify(config),
      LONGPO_VOLUME_ROOT: folder,
      LONGPO_ENDPOINT: server.url,
      LONGPO_TERMINATION_LOG: log,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  const { generate } = JSON.parse(readFileSync(log, 'utf8')) as { generate: { path: string; rows: number } };
  const rows = readFileSync(join(folder, generate.path), 'utf8')
    .trim()
    .split('\n')
    .map((line) => preferenceRow.parse(JSON.parse(line)));
  expect(rows).toHaveLength(generate.rows);
  expect(rows.length).toBeGreaterThan(0);
  for (const { document, turns } of rows)
    expect(
      turns.filter(({ chunk, chosen, rejected }) => !document.includes(chunk) || chosen === rejected),
    ).toEqual([]);
});
