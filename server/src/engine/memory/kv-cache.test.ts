import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { koffi } from '../foreign.ts';
import { KvCache } from './kv-cache.ts';
import { Mapping } from './mapping.ts';

/** By the kernel's own account, of all entries that touch a mapping: bytes that are there, and in huge pages. */
function pagesOf({ address, length }: Mapping): { resident: number; huge: number } {
  const maps = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const own = maps.filter((entry) => {
    const [from = '0', to = '0'] = (entry.split(' ')[0] ?? '').split('-');
    return BigInt(`0x${from}`) < address + BigInt(length) && BigInt(`0x${to}`) > address;
  });
  const sum = (pattern: RegExp): number =>
    own.reduce((total, entry) => total + Number(entry.match(pattern)?.[1] ?? 0) * 1024, 0);
  return { resident: sum(/^Rss: +(\d+) kB/m), huge: sum(/^AnonHugePages: +(\d+) kB/m) };
}

const mebibyte = 1 << 20;

test('a mapping far larger than memory costs only what is touched, and gives it back', () => {
  const mapping = new Mapping(2 ** 42);
  const before = pagesOf(mapping).resident;
  new Uint8Array(mapping.view(2 ** 41, 8 * mebibyte)).fill(1);
  const touched = pagesOf(mapping).resident - before;
  mapping.release(2 ** 41, 8 * mebibyte);
  const released = pagesOf(mapping).resident - before;
  mapping.unmap();
  mapping.unmap();
  expect(touched).toBeGreaterThanOrEqual(8 * mebibyte);
  expect(released).toBeLessThan(mebibyte);
});

test('release leaves the pages that lie only partly in the range', () => {
  const mapping = new Mapping(3 * 4096);
  const bytes = new Uint8Array(mapping.view(0, 3 * 4096)).fill(7);
  mapping.release(100, 2 * 4096);
  expect([bytes[0], bytes[4095], bytes[4096], bytes[8191], bytes[8192]]).toEqual([7, 7, 0, 0, 7]);
  mapping.unmap();
});

test('a view outside the mapping or after unmap is refused', () => {
  const mapping = new Mapping(4096);
  expect(() => mapping.view(4000, 200)).toThrow(RangeError);
  mapping.unmap();
  expect(() => mapping.view(0, 8)).toThrow(RangeError);
});

test('slots lie side by side, every head on pages of its own', () => {
  const kv = new KvCache({
    layers: 2,
    slots: 3,
    heads: 2,
    headDim: 48,
    elementBytes: 4,
    positions: 100,
    repeatable: false,
  });
  const [first = [], second = []] = [kv.addresses(0), kv.addresses(1)];
  expect(first.length).toBe(4);
  expect((second[0] ?? 0n) - (first[0] ?? 0n)).toBe(BigInt(kv.slotBytes));
  expect({ head: kv.headBytes % 4096, enough: kv.capacity >= 100 }).toEqual({ head: 0, enough: true });
  kv.free();
});

test('a repeatable slot is the same memory in every row', () => {
  const kv = new KvCache({
    layers: 1,
    slots: 3,
    heads: 1,
    headDim: 64,
    elementBytes: 4,
    positions: 64,
    repeatable: true,
  });
  const [keys] = kv.mappings();
  if (!keys) throw new Error('no mapping');
  const [repeated = 0n] = kv.repeated(1, 4);
  const rows = new Float32Array(koffi.view(repeated, 4 * kv.slotBytes));
  const slot = new Float32Array(keys.view(kv.slotBytes, kv.slotBytes));
  slot[5] = 7;
  rows[slot.length * 3 + 9] = 8;
  expect([1, 2, 3].map((row) => [rows[row * slot.length + 5], rows[row * slot.length + 9]])).toEqual([
    [7, 8],
    [7, 8],
    [7, 8],
  ]);
  expect(new Float32Array(keys.view(0, kv.slotBytes)).every((value) => value === 0)).toBe(true);
  kv.truncate(1, 0);
  expect(rows[5]).toBe(0);
  kv.free();
});

test.each([false, true])(
  'truncating a slot gives its later positions back, no others (repeatable: %s)',
  (repeatable) => {
    const kv = new KvCache({
      layers: 1,
      slots: 2,
      heads: 2,
      headDim: 64,
      elementBytes: 4,
      positions: 16_384,
      repeatable,
    });
    const mapping = kv.mappings()[0];
    if (!mapping) throw new Error('no mapping');
    const values = new Float32Array(mapping.view(0, 2 * kv.slotBytes)).fill(1);
    const before = pagesOf(mapping).resident;
    kv.truncate(0, 1024);
    const after = pagesOf(mapping).resident;
    const position = (slot: number, head: number, at: number): number =>
      values[((slot * 2 + head) * kv.capacity + at) * 64] ?? -1;
    expect([position(0, 1, 1023), position(0, 1, 1024), position(1, 0, 0), position(1, 1, 16_000)]).toEqual([
      1, 0, 1, 1,
    ]);
    expect(before - after).toBeGreaterThan(kv.slotBytes * 0.9);
    kv.free();
  },
);

test('what a slot is expected to hold may be huge pages, and nothing else is', () => {
  const shape = { layers: 1, slots: 2, heads: 2, headDim: 64, elementBytes: 4, repeatable: false };
  const kv = new KvCache({ ...shape, positions: 20_000 });
  const mapping = kv.mappings()[0];
  if (!mapping) throw new Error('no mapping');
  const rowBytes = 256;
  const write = (positions: number, from = 0): void => {
    for (let head = 0; head < 2; head++) {
      const at = head * kv.headBytes + from * rowBytes;
      new Uint8Array(mapping.view(at, positions * rowBytes)).fill(1);
    }
  };
  const before = pagesOf(mapping);
  const more = () => {
    const { resident, huge } = pagesOf(mapping);
    return { resident: resident - before.resident, huge: huge - before.huge };
  };
  kv.expect(0, 9000);
  write(9000);
  const held = more();
  kv.truncate(0, 0);
  write(1);
  const next = more();
  write(1, 8192);
  const beyond = more();
  kv.free();
  const isOff = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8').includes('[never]');
  const pages = Math.ceil((9000 * rowBytes) / 4096) * 4096;
  expect(held).toEqual({ resident: 2 * pages, huge: isOff ? 0 : 2 * (1 << 21) });
  expect([next, beyond]).toEqual([
    { resident: 2 * 4096, huge: 0 },
    { resident: 4 * 4096, huge: 0 },
  ]);
});
