import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KeptSlots, PrefixKeeper } from './prefix-keeper.ts';
import { PrefixStore } from './prefix-store.ts';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-keeper-'));
});
afterAll(() => rm(root, { recursive: true }));

const ids = Array.from({ length: 100 }, (_, i) => i);
const long = 3_600_000;

/** One slot that holds `ids`, in as much memory. */
const slotsOf = (bytes: number): KeptSlots => ({
  place: () => undefined,
  memory: () => [new Uint8Array(bytes)],
  discard: () => undefined,
  kept: () => [{ slot: 0, ids }],
});

/** The tokens of the prefixes that a next life finds. */
async function found(directory: string): Promise<(readonly number[])[]> {
  const all: (readonly number[])[] = [];
  const place = (tokens: readonly number[]): undefined => {
    all.push(tokens);
  };
  await new PrefixStore(directory, 'model').load({ ...slotsOf(8), place });
  return all;
}

test('a prefix is on disk once nothing was asked for a while: a kill after that costs nothing', async () => {
  const directory = join(root, 'rest');
  const keeper = new PrefixKeeper(new PrefixStore(directory, 'model'), slotsOf(8), 10);
  keeper.rest();
  await expect.poll(() => found(directory)).toEqual([ids]);
});

test('a request that comes before that puts it off, one that comes amid the write gives it up', async () => {
  const directory = join(root, 'stir');
  const store = new PrefixStore(directory, 'model');
  const early = new PrefixKeeper(store, slotsOf(8), 50);
  early.rest();
  early.stir();
  const late = new PrefixKeeper(store, slotsOf(64 << 20), 0);
  late.rest();
  await sleep(5);
  late.stir();
  await sleep(200);
  expect(await found(directory)).toEqual([]);
});

test('at the end a write in flight is waited for, and what is not written yet is written', async () => {
  const directory = join(root, 'end');
  const writing = new PrefixKeeper(new PrefixStore(directory, 'model'), slotsOf(64 << 20), 0);
  writing.rest();
  await sleep(5);
  await writing.close();
  expect(await found(directory)).toEqual([ids]);
  const idle = new PrefixKeeper(new PrefixStore(join(root, 'close'), 'model'), slotsOf(8), long);
  idle.rest();
  await idle.close();
  expect(await found(join(root, 'close'))).toEqual([ids]);
});

test('after the end the slots are not looked at: their memory is gone', async () => {
  let looks = 0;
  const slots = { ...slotsOf(8), kept: () => [{ slot: looks++, ids }] };
  const keeper = new PrefixKeeper(new PrefixStore(join(root, 'after'), 'model'), slots, 0);
  await keeper.close();
  keeper.rest();
  await sleep(20);
  expect(looks).toBe(1);
});
