import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFixtureModel } from '../fixture.ts';

const run = promisify(execFile);
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-disk-'));
  await writeFixtureModel(join(root, 'model'));
});
afterEach(() => rm(root, { recursive: true }));

/** On a small file system, in a mount namespace of its own: nothing of it is left behind. */
async function quantizeOnto(mountOptions: string) {
  const cache = join(root, 'cache');
  await mkdir(cache);
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const script = 'mount -t tmpfs -o "$1" tmpfs "$2" && exec "$3" "$4" "$5" "$2"';
  const program = join(import.meta.dirname, 'full-disk.fixture.ts');
  const values = [mountOptions, cache, process.execPath, program, join(root, 'model')];
  const { stdout } = await run('unshare', [...user, '--mount', 'sh', '-c', script, 'sh', ...values]);
  return { cache, ...JSON.parse(stdout) };
}

test('a disk without room is refused before the work, with both numbers', async () => {
  const { cache, error, left } = await quantizeOnto('size=16k');
  expect({ error, left }).toEqual({
    error: {
      code: 'CACHE_FULL',
      message: `${cache}: the quantised weights take 69056 bytes, 16384 are free; make room or choose another cache folder`,
    },
    left: [],
  });
});

test('a disk that is full in the middle leaves nothing in the cache', async () => {
  // Room for the bytes, and for the temporary folder, but not for a file in it.
  const { error, left } = await quantizeOnto('size=1m,nr_inodes=2');
  expect({ code: error.code, left }).toEqual({ code: 'CACHE_FULL', left: [] });
});

test('a disk with room takes the entry', async () => {
  const { error, left } = await quantizeOnto('size=1m');
  expect({ error, entries: left.length }).toEqual({ error: null, entries: 1 });
});
