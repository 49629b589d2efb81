/** LLAMA SERVER: llama.cpp's OpenAI-compatible server on the real model, an engine that is not ours. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../../cli/src/config.ts';

/** Bindings that carry the server in their wheel. */
const wheel = 'xllamacpp==2026.10.11549';

export interface LlamaServer {
  /** With /v1. */
  url: string;
  stop(): void;
}

/** Once a machine, beside the other caches. */
function install(python: string): string {
  const folder = join(readConfig().cacheRoot, wheel.replace('==', '-'));
  if (existsSync(folder)) return folder;
  process.stdout.write(`Installing llama.cpp's server (${wheel}, 34 MB, once) ...\n`);
  const target = `${folder}.tmp-${process.pid}`;
  const { status } = spawnSync(
    python,
    ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--target', target, wheel],
    { stdio: 'inherit' },
  );
  if (status !== 0) throw new Error(`pip install ${wheel} ended with ${status}`);
  try {
    renameSync(target, folder);
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // else another process was quicker
  }
  return folder;
}

/** Serves a model under a name, `context` tokens a sequence. */
export async function startLlamaServer(
  python: string,
  model: string,
  port: number,
  { name, context }: { name: string; context: number },
): Promise<LlamaServer> {
  const script = join(import.meta.dirname, 'serve.py');
  let log = '';
  const child = spawn(python, [script, model, String(port), name, String(context)], {
    env: { ...process.env, PYTHONPATH: install(python) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-2000);
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`llama.cpp ended with exit code ${code}:\n${log}`)));
  });
  return { url: `http://127.0.0.1:${port}/v1`, stop: () => child.kill('SIGKILL') };
}
