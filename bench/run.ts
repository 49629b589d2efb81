/**
 * npm run bench [serving] [agreement] [trainer [recipe] [trl] [sequence] [checkpoint] [quick]]: both sides of every
 * comparison, in one run. npm run bench operator [quick] needs a control plane and is run by its name alone: it has no
 * other side.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../cli/src/config.ts';
import { prepareGguf } from '../examples/quickstart/gguf.ts';
import { findDocuments, prepareModel, preparePython } from '../examples/quickstart/prepare.ts';
import { benchAgreement } from './agreement.ts';
import { benchOperator } from './operator/operator.ts';
import { benchServing } from './serving.ts';
import { benchTrainer } from './trainer/trainer.ts';

const config = readConfig();
const wanted = process.argv.slice(2);
const runs = (name: string) => wanted.length === 0 || wanted.includes(name);

if (wanted.includes('operator')) await benchOperator({ isQuick: wanted.includes('quick') });
if (['serving', 'agreement', 'trainer'].some(runs)) await benchModel();

/** What needs the real model, which is made ready first. */
async function benchModel(): Promise<void> {
  const python = await preparePython(config);
  const model = await prepareModel(config, python);
  const cache = join(config.cacheRoot, 'weights');
  mkdirSync(cache, { recursive: true });
  if (runs('serving')) await benchServing({ model, gguf: await prepareGguf(config, python), cache });
  if (runs('agreement')) await benchAgreement({ model, documents: findDocuments(), cache });
  if (runs('trainer')) {
    const { cacheRoot, pipArgs } = config;
    await benchTrainer({ python, model, cacheRoot, pipArgs, wanted });
  }
}
