/** npm run bench [serving] [agreement] [trainer]: both sides of every comparison, in one run. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../cli/src/config.ts';
import { prepareGguf } from '../examples/quickstart/gguf.ts';
import { findDocuments, prepareModel, preparePython } from '../examples/quickstart/prepare.ts';
import { benchAgreement } from './agreement.ts';
import { benchServing } from './serving.ts';
import { benchTrainer } from './trainer.ts';

const config = readConfig();
const wanted = process.argv.slice(2);
const runs = (name: string) => wanted.length === 0 || wanted.includes(name);

const python = await preparePython(config);
const model = await prepareModel(config, python);
const cache = join(config.cacheRoot, 'weights');
mkdirSync(cache, { recursive: true });
if (runs('serving')) await benchServing({ model, gguf: await prepareGguf(config, python), cache });
if (runs('agreement')) await benchAgreement({ model, documents: findDocuments(), cache });
if (runs('trainer')) benchTrainer({ python, model });
