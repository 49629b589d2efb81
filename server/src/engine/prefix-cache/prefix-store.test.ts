import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prefixName, type StoredPrefix } from './prefix-file.ts';
import { type PrefixSlots, PrefixStore } from './prefix-store.ts';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-prefixes-'));
});
afterAll(() => rm(root, { recursive: true }));

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
const prefix = (from: number, count = 100): StoredPrefix => ({
  ids: range(from, count),
  memory: [Uint8Array.from(range(from, 300)), Uint8Array.from(range(from + 7, 500))],
});

/** Slots in plain memory, so many. */
class PlainSlots implements PrefixSlots {
  readonly taken: { ids: readonly number[]; memory: Uint8Array[] }[] = [];
  readonly discarded: number[] = [];
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  place(ids: readonly number[]): number | undefined {
    if (this.taken.length === this.#count) return undefined;
    this.taken.push({ ids, memory: [new Uint8Array(300), new Uint8Array(500)] });
    return this.taken.length - 1;
  }

  memory(slot: number): Uint8Array[] {
    return this.taken[slot]?.memory ?? [];
  }

  discard(slot: number): void {
    this.discarded.push(slot);
  }
}

async function loaded(store: PrefixStore, count = 8): Promise<PlainSlots> {
  const slots = new PlainSlots(count);
  await store.load(slots);
  return slots;
}

async function filesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

test('what is saved is loaded in the order of its last use, as far as there is place', async () => {
  const store = new PrefixStore(join(root, 'order'), 'model');
  await store.save([prefix(1), prefix(2), prefix(3)]);
  expect((await loaded(store)).taken).toEqual([prefix(1), prefix(2), prefix(3)]);
  expect((await loaded(store, 2)).taken).toEqual([prefix(1), prefix(2)]);
  await store.save([prefix(4)]);
  expect((await loaded(store)).taken).toEqual([prefix(4)]);
});

test('prefixes of another origin are not seen, and short ones are not kept', async () => {
  const directory = join(root, 'origins');
  await new PrefixStore(directory, 'model').save([prefix(1), prefix(2, 10)]);
  expect((await loaded(new PrefixStore(directory, 'other model'))).taken).toEqual([]);
  expect((await loaded(new PrefixStore(directory, 'model'))).taken).toEqual([prefix(1)]);
});

test('the bytes are those of the files, for who saved and for who loads', async () => {
  const directory = join(root, 'bytes');
  const store = new PrefixStore(directory, 'model');
  expect(store.bytes).toBe(0);
  await store.save([prefix(1), prefix(2)]);
  const sizes = await Promise.all((await filesOf(directory)).map(async (file) => (await stat(file)).size));
  expect(store.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
  const next = new PrefixStore(directory, 'model');
  await loaded(next);
  expect(next.bytes).toBe(store.bytes);
});

test('only the owner may read the files: they hold documents', async () => {
  const directory = join(root, 'mode');
  await new PrefixStore(directory, 'model').save([prefix(1)]);
  const [file = ''] = await filesOf(directory);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test.each<[string, (bytes: Buffer) => Buffer]>([
  ['one bit of a key', (bytes) => Buffer.from(bytes.map((byte, i) => (i === 500 ? byte ^ 1 : byte)))],
  [
    'one bit of the checksum',
    (bytes) => Buffer.from(bytes.map((b, i) => (i === bytes.length - 1 ? b ^ 1 : b))),
  ],
  ['the end missing', (bytes) => bytes.subarray(0, -40)],
  ['more at the end of the keys', (bytes) => Buffer.concat([bytes.subarray(0, -32), Buffer.alloc(64)])],
  ['another file', () => Buffer.from('something else')],
  ['an empty file', () => Buffer.alloc(0)],
  [
    'a huge count',
    (bytes) => Buffer.concat([bytes.subarray(0, 8), Buffer.alloc(4, 0x7f), bytes.subarray(12)]),
  ],
])('%s: the file is removed, and the others are loaded', async (name, damage) => {
  const directory = join(root, name.replaceAll(' ', '-'));
  const warnings: string[] = [];
  const store = new PrefixStore(directory, 'model', (message) => warnings.push(message));
  await store.save([prefix(1), prefix(2)]);
  const [first = ''] = (await filesOf(directory)).filter((file) => file.endsWith(prefixName(prefix(1).ids)));
  await writeFile(first, damage(await readFile(first)));
  const slots = await loaded(store);
  expect(slots.taken.at(-1)).toEqual(prefix(2));
  expect(slots.discarded.length).toBe(slots.taken.length - 1);
  expect(warnings).toEqual([`${first}: not the prefix that was written; it is removed`]);
  expect((await filesOf(directory)).map((file) => basename(file))).toEqual([prefixName(prefix(2).ids)]);
});

test('a folder that cannot be written costs a warning, and leaves nothing half-written', async () => {
  const file = join(root, 'a-file');
  await writeFile(file, '');
  const warnings: string[] = [];
  await new PrefixStore(file, 'model', (message) => warnings.push(message)).save([prefix(1)]);
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toContain('the prefix cannot be written');
});

/** Names, and the inodes that tell whether a file was written again. */
async function inodesOf(directory: string): Promise<Record<string, number>> {
  const files = await filesOf(directory);
  const entries = files.map(async (file) => [basename(file), (await stat(file)).ino] as const);
  return Object.fromEntries(await Promise.all(entries));
}

test('what stands there is not written again, only its last use', async () => {
  const directory = join(root, 'again');
  const store = new PrefixStore(directory, 'model');
  await store.save([prefix(1), prefix(2)]);
  const written = await inodesOf(directory);
  await store.save([prefix(2), prefix(1)]);
  expect(await inodesOf(directory)).toEqual(written);
  const next = new PrefixStore(directory, 'model');
  expect((await loaded(next)).taken).toEqual([prefix(2), prefix(1)]);
  await next.save([prefix(1)]);
  expect(await inodesOf(directory)).toEqual({
    [prefixName(prefix(1).ids)]: written[prefixName(prefix(1).ids)],
  });
});

test('a prefix that has grown is written again once a tenth of it is new', async () => {
  const directory = join(root, 'grown');
  const store = new PrefixStore(directory, 'model');
  await store.save([prefix(1, 100)]);
  await store.save([prefix(1, 111)]);
  expect(Object.keys(await inodesOf(directory))).toEqual([prefixName(range(1, 100))]);
  await store.save([prefix(1, 112)]);
  expect(Object.keys(await inodesOf(directory))).toEqual([prefixName(range(1, 112))]);
});

test('a prefix that has grown a little is written whole once another server has removed its file', async () => {
  const directory = join(root, 'removed');
  const store = new PrefixStore(directory, 'model');
  await store.save([prefix(1, 100)]);
  for (const file of await filesOf(directory)) await rm(file);
  await store.save([prefix(1, 105)]);
  expect(Object.keys(await inodesOf(directory))).toEqual([prefixName(range(1, 105))]);
});

test("another server's prefixes are left alone", async () => {
  const directory = join(root, 'shared');
  const [one, two] = [new PrefixStore(directory, 'model'), new PrefixStore(directory, 'model')];
  await one.save([prefix(1)]);
  await two.save([prefix(2)]);
  await one.save([]);
  expect((await loaded(new PrefixStore(directory, 'model'))).taken).toEqual([prefix(2)]);
});

test('a write that is given up leaves nothing, and the next one is whole', async () => {
  const directory = join(root, 'given-up');
  const store = new PrefixStore(directory, 'model');
  const large = { ids: range(1, 100), memory: [new Uint8Array(64 << 20)] };
  const controller = new AbortController();
  const saving = store.save([large], controller.signal);
  const isBegun = async () => (await filesOf(directory)).some((file) => file.includes('.tmp-'));
  await expect.poll(() => isBegun().catch(() => false), { interval: 1 }).toBe(true);
  controller.abort();
  await saving;
  expect(await filesOf(directory)).toEqual([]);
  await store.save([large]);
  expect((await filesOf(directory)).map((file) => basename(file))).toEqual([prefixName(large.ids)]);
});

test('what a killed server had begun is removed once nobody can be writing it', async () => {
  const directory = join(root, 'killed');
  const store = new PrefixStore(directory, 'model');
  await store.save([prefix(1)]);
  const [whole = ''] = await filesOf(directory);
  const [old, fresh] = ['old', 'fresh'].map((name) => `${whole}.tmp-${name}`) as [string, string];
  await writeFile(old, 'half');
  await writeFile(fresh, 'half');
  const hourAgo = Date.now() / 1000 - 3600;
  await utimes(old, hourAgo, hourAgo);
  await loaded(new PrefixStore(directory, 'model'));
  expect((await readdir(dirname(whole))).sort()).toEqual([basename(whole), basename(fresh)].sort());
});
