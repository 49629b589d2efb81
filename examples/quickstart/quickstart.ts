/**
 * npm run quickstart: puts the model and the documents where training.yaml names them, then hands over to
 * `longpo run training.yaml`. Everything after the two folders is what any user's manifest gets.
 */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../cli/src/config.ts';
import { findDocuments, prepareModel, preparePython } from './prepare.ts';

const folder = import.meta.dirname;
const data = join(folder, 'data');

function link(target: string, name: string): void {
  mkdirSync(data, { recursive: true });
  rmSync(join(data, name), { force: true });
  symlinkSync(target, join(data, name));
}

const config = readConfig();
const python = await preparePython(config);
link(await prepareModel(config, python), 'model');
link(findDocuments(), 'documents');
process.argv.splice(2, 0, 'run', join(folder, 'training.yaml'));
await import('../../cli/src/main.ts');
