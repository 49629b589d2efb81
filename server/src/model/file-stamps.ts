/** Size and time of the files of a model folder: whether they are still those that were hashed when they are read again. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from './model-error.ts';

export type FileStamps = ReadonlyMap<string, string>;

async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found ? `${found.size} ${found.mtimeNs}` : 'missing';
}

export async function stampFiles(directory: string, names: readonly string[]): Promise<FileStamps> {
  const paths = names.map((name) => join(directory, name));
  return new Map(await Promise.all(paths.map(async (path) => [path, await stampOf(path)] as const)));
}

/** Another content must not go by the digest that was made before. */
export async function requireUnchanged(stamps: FileStamps): Promise<void> {
  for (const [path, stamp] of stamps) {
    if ((await stampOf(path)) === stamp) continue;
    throw new ModelError(
      'MODEL_CHANGED',
      `${path}: changed while it was read; start again once it is complete`,
    );
  }
}
