/**
 * npm run quickstart: puts the model and the documents where training.yaml names them, then hands over to
 * `longpo run training.yaml`. Everything after the two folders is what any user's manifest gets.
 */
import { copyFileSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../../cli/src/config.ts';
import { findDocuments, prepareModel, preparePython } from './prepare.ts';

const folder = import.meta.dirname;
const data = join(folder, 'data');

const chapters = 24;

/** The model stays in the cache; the folder only points there. */
function linkModel(directory: string): void {
  mkdirSync(data, { recursive: true });
  rmSync(join(data, 'model'), { force: true });
  symlinkSync(directory, join(data, 'model'));
}

function copyDocuments(folder: string): void {
  mkdirSync(join(data, 'documents'), { recursive: true });
  for (let n = 1; n <= chapters; n++)
    copyFileSync(
      join(folder, `chapter_${n}.txt`),
      join(data, 'documents', `chapter-${String(n).padStart(2, '0')}.txt`),
    );
}

const config = readConfig();
const python = await preparePython(config);
linkModel(await prepareModel(config, python));
copyDocuments(findDocuments());
process.argv.splice(2, 0, 'run', join(folder, 'training.yaml'));
await import('../../cli/src/main.ts');
