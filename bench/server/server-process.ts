/** longpo-serve as a user starts it, on a free port of this machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

const entry = join(import.meta.dirname, '../../server/src/main.ts');

export interface ServerProcess {
  readonly url: string;
  stop(): Promise<void>;
}

/** Resolves when it says that it is ready. */
export async function startServerProcess(model: string, cache: string): Promise<ServerProcess> {
  const options = ['--quantization', 'int4', '--cache', cache, '--parallel-sequences', '1'];
  const args = [entry, model, '--listen', '127.0.0.1:0', '--served-model-name', 'bench', ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entryOfLog = JSON.parse(line) as { msg?: string; url?: string };
      if (entryOfLog.msg === 'ready') resolve(entryOfLog.url ?? '');
    });
    child.once('close', (code) => reject(new Error(`longpo-serve ended with ${code} before it was ready`)));
  });
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

export interface StreamedAnswer {
  readonly secondsToFirst: number;
  /** From the first event that carries text to the last. */
  readonly decodeSeconds: number;
}

/**
 * One greedy answer of so many tokens, read as it comes. By Node's own client: fetch takes 0.8 ms of a core a token, twice
 * as long, on the cores that the model runs on.
 */
export async function streamAnswer(
  url: string,
  prompt: number[],
  maxTokens: number,
): Promise<StreamedAnswer> {
  const started = performance.now();
  const sent = request(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  sent.end(
    JSON.stringify({
      model: 'bench',
      prompt,
      max_tokens: maxTokens,
      temperature: 0,
      ignore_eos: true,
      stream: true,
    }),
  );
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${await text(response)}`);
  let first = Number.NaN;
  let last = Number.NaN;
  response.on('data', (bytes: Buffer) => {
    if (!bytes.includes('"text"')) return;
    last = performance.now();
    if (Number.isNaN(first)) first = last;
  });
  await once(response, 'end');
  return { secondsToFirst: (first - started) / 1000, decodeSeconds: (last - first) / 1000 };
}
