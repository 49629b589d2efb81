/** Room on the disk of the cache: asked for before an hour of work, and named when it runs out all the same. */
import { statfs } from 'node:fs/promises';
import { ModelError } from '../model-error.ts';

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

const full = (directory: string, needed: number, free: number): ModelError =>
  new ModelError(
    'CACHE_FULL',
    `${directory}: the quantised weights take ${needed} bytes, ${free} are free; make room or choose another cache folder`,
  );

export async function requireSpace(directory: string, bytes: number): Promise<void> {
  const free = await freeBytes(directory);
  if (free < bytes) throw full(directory, bytes, free);
}

const codes: readonly unknown[] = ['ENOSPC', 'EDQUOT'];

/** The error to throw in place of `error`, if that says that the disk, or the user's share of it, is full. */
export async function diskFull(
  error: unknown,
  directory: string,
  needed: number,
): Promise<ModelError | undefined> {
  if (!(error instanceof Error && 'code' in error && codes.includes(error.code))) return undefined;
  return full(directory, needed, await freeBytes(directory));
}
