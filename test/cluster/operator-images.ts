/** What stands for the images of the project on a bed: this checkout, with a Python that has the trainer's packages. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Image } from './bed/bed-options.ts';

const root = join(import.meta.dirname, '..', '..');

/** The folder of a virtual environment; any other Python is where the machine's files are anyway. */
function environmentOf(python: string): string[] {
  const folder = dirname(dirname(python));
  return existsSync(join(folder, 'pyvenv.cfg')) ? [folder] : [];
}

export function operatorImages(python: string): Record<string, Image> {
  const path = [join(root, 'node_modules', '.bin'), join(root, 'trainer', 'bin')];
  const folders = [root, ...environmentOf(python)];
  return { 'ghcr.io/longpo/': { path, folders, env: { LONGPO_PYTHON: python } } };
}
