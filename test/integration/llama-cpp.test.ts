import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generateConfig, preferenceRow } from '../../api/src/index.ts';
import { installLlamaCpp, llamaCppFolder } from '../../bench/llama-cpp/install.ts';
import { findDocuments } from '../../examples/quickstart/prepare.ts';
import { freePort } from '../e2e/longpo-run.ts';

/** The generator writes a stage's data with an engine that is not ours: llama.cpp, on the real model. */
const required = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`npm test\`, which prepares the real model`);
  return value;
};

let folder: string;
let front: ChildProcess;
let url: string;

beforeAll(async () => {
  installLlamaCpp();
  folder = mkdtempSync(join(tmpdir(), 'longpo-llama-'));
  const port = await freePort();
  url = `http://127.0.0.1:${port}/v1`;
  front = spawn(process.execPath, ['openai-front.mjs', required('LONGPO_TEST_GGUF'), String(port)], {
    cwd: llamaCppFolder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    front.stdout?.once('data', () => resolve());
    front.once('exit', (code) => reject(new Error(`llama.cpp ended with exit code ${code}`)));
  });
});
afterAll(() => {
  front.kill();
  rmSync(folder, { recursive: true, force: true });
});

it('writes rows whose chunks are parts of their documents', async () => {
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
  const main = join(import.meta.dirname, '..', '..', 'preferences', 'src', 'main.ts');
  const child = spawn(process.execPath, [main], {
    env: {
      ...process.env,
      LONGPO_CONFIG: JSON.stringify(config),
      LONGPO_VOLUME_ROOT: folder,
      LONGPO_ENDPOINT: url,
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
