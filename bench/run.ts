/**
 * npm run bench [server [quick] [prefill] [decode] ...] [trainer [quick] [recipe] [trl] [sequence] [checkpoint]]: both
 * sides of every comparison, in one run. npm run bench operator [quick] needs a control plane and is run by its name
 * alone: it has no other side.
 */
import { readConfig } from '../cli/src/config.ts';
import { prepareModel, preparePython } from '../examples/quickstart/prepare.ts';
import { benchOperator } from './operator/operator.ts';
import { benchServer } from './server/server.ts';
import { benchTrainer } from './trainer/trainer.ts';

const config = readConfig();
const wanted = process.argv.slice(2);
const runs = (name: string) => wanted.length === 0 || wanted.includes(name);

if (wanted.includes('operator')) await benchOperator({ isQuick: wanted.includes('quick') });
if (['server', 'trainer'].some(runs)) await benchModel();

/** What needs the trainer's Python, which is made ready first. */
async function benchModel(): Promise<void> {
  const python = await preparePython(config);
  if (runs('server')) await benchServer(config, python, wanted);
  if (runs('trainer')) {
    const { cacheRoot, pipArgs } = config;
    await benchTrainer({ python, model: await prepareModel(config, python), cacheRoot, pipArgs, wanted });
  }
}
