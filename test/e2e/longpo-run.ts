/** `longpo` as a child process, watched through what it prints and what lies on the disk. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import OpenAI from 'openai';
import type { LongPOTraining } from '../../api/src/index.ts';
import { writeBigramModel } from './bigram-model.ts';

export const root = join(import.meta.dirname, '..', '..');
const main = join(root, 'cli', 'src', 'main.ts');

export interface LongpoProcess {
  child: ChildProcess;
  output(): string;
  exited: Promise<number | null>;
  /** Resolves once the output matches; rejects when the process ends before. */
  prints(pattern: RegExp): Promise<void>;
}

/** `env` is added to the test's own; one thread, so that sums keep their order. */
export function longpo(args: string[], env: Record<string, string> = {}): LongpoProcess {
  const { CI: _, ...own } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    cwd: root,
    env: { ...own, OMP_NUM_THREADS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const waiting = new Set<() => void>();
  const read = (chunk: Buffer) => {
    text += chunk.toString();
    for (const check of waiting) check();
  };
  child.stdout?.on('data', read);
  child.stderr?.on('data', read);
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    child,
    output: () => text,
    exited,
    prints(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const check = () => {
        if (pattern.test(text)) resolve();
      };
      waiting.add(check);
      void exited.then(() => reject(new Error(`ended before it printed ${pattern}:\n${text}`)));
      check();
      return promise.finally(() => waiting.delete(check));
    },
  };
}

/** What the openai client is told by a served small model. */
export async function askServed(baseURL: string): Promise<string | null | undefined> {
  const client = new OpenAI({ baseURL, apiKey: 'none' });
  const { choices } = await client.chat.completions.create({
    model: 'fast',
    messages: [{ role: 'user', content: 'What is it about?' }],
    max_tokens: 32,
    temperature: 0,
  });
  return choices[0]?.message.content;
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Processes that run with this volume root, by what their command line says. */
export function podProcesses(volumeRoot: string, command: RegExp): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return env.includes(`LONGPO_VOLUME_ROOT=${volumeRoot}`) && command.test(line);
      } catch {
        return false; // it has ended, or is another user's
      }
    });
}

const words =
  'harbour lantern sailor rope anchor storm letter captain island morning shore timber voyage cabin'.split(
    ' ',
  );

/** Plain sentences, different in each document; a byte is a token to the small model. */
function documentText(seed: number): string {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return words[state % words.length] ?? '';
  };
  return Array.from({ length: 12 }, () => `The ${next()} and the ${next()} met the ${next()}.`).join('\n\n');
}

export interface FastWorld {
  folder: string;
  manifest: string;
  model: string;
  documents: string;
}

/** A training of half a million weights, one stage, three ranks, four steps. */
export async function makeFastWorld(
  folder: string,
  change: (manifest: object) => object = (same) => same,
): Promise<FastWorld> {
  const model = join(folder, 'model');
  const documents = join(folder, 'documents');
  if (!existsSync(model)) await writeBigramModel(model);
  mkdirSync(documents, { recursive: true });
  for (let n = 1; n <= 8; n++) writeFileSync(join(documents, `${n}.txt`), documentText(n));
  const manifest = join(folder, 'training.yaml');
  // JSON is YAML.
  writeFileSync(manifest, JSON.stringify(change(fastTraining), null, 2));
  return { folder, manifest, model, documents };
}

export const fastTraining = {
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  metadata: { name: 'fast' },
  spec: {
    model: { uri: './model' },
    documents: { uri: './documents' },
    generate: {
      quantization: 'none',
      concurrency: 2,
      chunkTokens: { min: 40, max: 120 },
      minDocumentTokens: 100,
      chunksPerDocument: 1,
      question: { maxTokens: 48 },
      answer: { maxTokens: 48 },
      filter: { maxRepetitionChosen: 1, maxRepetitionRejected: 1 },
    },
    train: {
      dtype: 'f32',
      exportDtype: 'f32',
      gradientAccumulationSteps: 1,
      maxSteps: 4,
      saveSteps: 1,
      learningRate: 1e-4,
    },
    stages: [{ name: 'short', contextLength: 512, parallelism: { sequence: 3 } }],
    serving: { quantization: 'none' },
  },
};

/** The training as the run's state folder has it. */
export function readState(state: string, name: string): LongPOTraining | undefined {
  const file = join(state, name, 'objects', `LongPOTraining_default_${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LongPOTraining) : undefined;
}
