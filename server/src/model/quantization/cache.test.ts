import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFixtureModel } from '../fixture.ts';
import { openModelFolder } from '../folder.ts';
import { quantizedWeights } from './cache.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-cache-'));
});
afterEach(() => rm(root, { recursive: true }));

const open = async (dtype: 'F32' | 'BF16' | 'F16' = 'BF16') => {
  await writeFixtureModel(join(root, 'model'), { dtype });
  return openModelFolder(join(root, 'model'));
};
const cache = (): string => join(root, 'cache');

test('the cache holds one folder a digest and width, and nothing else', async () => {
  const folder = await open();
  const progress: [number, number][] = [];
  await quantizedWeights(folder, 'int4', cache(), 2, (...args) => progress.push(args));
  await quantizedWeights(folder, 'int8', cache(), 2);
  const hex = folder.digest.slice('sha256:'.length);
  expect((await readdir(cache())).sort()).toEqual([`${hex}-int4`, `${hex}-int8`]);
  const [completed, total] = progress.at(-1) ?? [0, 1];
  expect(completed).toBe(total);
});

test('one thread and three write the same bytes, and a second open writes nothing', async () => {
  const folder = await open();
  const written = async (threads: number): Promise<Buffer> => {
    const { tensors } = await quantizedWeights(folder, 'int4', cache(), threads);
    return readFile([...tensors.values()][0]?.file ?? '');
  };
  const first = await written(1);
  const again: number[] = [];
  await quantizedWeights(folder, 'int4', cache(), 1, (completed) => again.push(completed));
  expect(again).toEqual([]);
  await rm(cache(), { recursive: true });
  expect((await written(3)).equals(first)).toBe(true);
});

test('a damaged entry is written anew', async () => {
  const folder = await open('F32');
  const path = [...(await quantizedWeights(folder, 'int8', cache(), 1)).tensors.values()][0]?.file ?? '';
  const { size } = await stat(path);
  await truncate(path, size - 1);
  await quantizedWeights(folder, 'int8', cache(), 1);
  expect((await stat(path)).size).toBe(size);
});

test('when the weights cannot be read, nothing is left in the cache', async () => {
  const folder = await open('F16');
  await rm(join(root, 'model', 'model.safetensors'));
  await expect(quantizedWeights(folder, 'int4', cache(), 1)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readdir(cache())).toEqual([]);
});

test('weights that change while they are quantised are refused, and nothing of them is kept', async () => {
  const folder = await open();
  const path = join(root, 'model', 'model.safetensors');
  const bytes = await readFile(path);
  const rewrite = (): void => {
    writeFileSync(`${path}.next`, bytes);
    renameSync(`${path}.next`, path);
  };
  await expect(quantizedWeights(folder, 'int4', cache(), 1, rewrite)).rejects.toMatchObject({
    code: 'MODEL_CHANGED',
    message: `${path}: changed while it was read; start again once it is complete`,
  });
  expect(await readdir(cache())).toEqual([]);
});

test('two servers that quantise the same model at once both get it', async () => {
  const folder = await open();
  const both = await Promise.all([1, 2].map((threads) => quantizedWeights(folder, 'int4', cache(), threads)));
  expect(both[0]?.tensors).toEqual(both[1]?.tensors);
  expect((await readdir(cache())).length).toBe(1);
});

test('what a killed server left is removed, what another writes right now is not', async () => {
  const folder = await open();
  const entry = `${folder.digest.slice('sha256:'.length)}-int4`;
  for (const name of ['killed', 'writing']) {
    await mkdir(join(cache(), `${entry}.tmp-${name}`), { recursive: true });
    await writeFile(join(cache(), `${entry}.tmp-${name}`, 'model.safetensors'), '');
  }
  await utimes(join(cache(), `${entry}.tmp-killed`, 'model.safetensors'), 0, 0);
  await quantizedWeights(folder, 'int4', cache(), 1);
  expect((await readdir(cache())).sort()).toEqual([entry, `${entry}.tmp-writing`]);
});
