import { expect, test } from 'vitest';
import { type Placement, Slots, type SlotsOptions } from './slots.ts';

/** Every token is a byte. */
const slotsOf = (count: number, options: Partial<SlotsOptions> = {}): Slots =>
  new Slots({
    count,
    kvBytes: (tokens) => tokens,
    budget: Number.POSITIVE_INFINITY,
    reuseDecoded: true,
    ...options,
  });

const take = (slots: Slots, promptIds: number[], answer = 5): Placement | undefined =>
  slots.take({ promptIds, limit: promptIds.length + answer, reuse: true });

function use(slots: Slots, prompt: number[]): Pick<Placement, 'slot' | 'cached'> {
  const placement = take(slots, prompt);
  if (!placement) throw new Error('no free slot');
  const { slot, cached } = placement;
  slots.read(slot, prompt.slice(cached));
  slots.free(slot);
  return { slot, cached };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('a prompt continues in the slot that shares its prefix', () => {
  const slots = slotsOf(2);
  use(slots, range(0, 10));
  use(slots, range(50, 60));
  expect(use(slots, [...range(0, 10), 99])).toEqual({ slot: 0, cached: 10 });
  expect(use(slots, [...range(50, 58), 1, 2])).toEqual({ slot: 1, cached: 8 });
});

test('the same prompt again still runs its last token', () => {
  const slots = slotsOf(1);
  use(slots, range(0, 10));
  expect(use(slots, range(0, 10))).toEqual({ slot: 0, cached: 9 });
});

test('a short shared beginning does not cost another conversation its slot', () => {
  const slots = slotsOf(2);
  use(slots, range(0, 100));
  expect(use(slots, [0, 1, 2, ...range(200, 300)])).toEqual({ slot: 1, cached: 0 });
  expect(use(slots, [...range(0, 100), 7])).toEqual({ slot: 0, cached: 100 });
});

test('without a shared prefix the slot unused for longest is taken', () => {
  const slots = slotsOf(3);
  for (const start of [0, 1000, 2000]) use(slots, range(start, start + 10));
  use(slots, [...range(0, 10), 5]);
  expect(use(slots, range(7000, 7010))).toEqual({ slot: 1, cached: 0 });
});

test('busy slots are not taken, and their tokens count as used', () => {
  const slots = slotsOf(1);
  expect(take(slots, [1, 2])).toEqual({ slot: 0, cached: 0, evicted: [] });
  expect(take(slots, [1, 2])).toBeUndefined();
  slots.read(0, [1, 2]);
  expect({ used: slots.tokensUsed, reserved: slots.bytesReserved, idle: slots.idle }).toEqual({
    used: 2,
    reserved: 7,
    idle: 0,
  });
});

test('a request that may not reuse starts from nothing', () => {
  const slots = slotsOf(1);
  use(slots, range(0, 10));
  expect(slots.take({ promptIds: range(0, 11), limit: 11, reuse: false })).toEqual({
    slot: 0,
    cached: 0,
    evicted: [],
  });
});

test('decoded tokens are left out of the kept prefix where they differ from read ones', () => {
  const kept = [true, false].map((reuseDecoded) => {
    const slots = slotsOf(1, { reuseDecoded });
    take(slots, range(0, 10));
    slots.read(0, range(0, 10));
    slots.decoded(0, [90, 91]);
    return [slots.free(0), take(slots, [...range(0, 10), 90, 91, 7])?.cached];
  });
  expect(kept).toEqual([
    [12, 12],
    [10, 10],
  ]);
});

test('kept prefixes make room for a request, the one unused for longest first', () => {
  const slots = slotsOf(4, { budget: 100 });
  for (const start of [0, 100, 200]) use(slots, range(start, start + 30));
  // 30 + 30 + 30 kept and 25 wanted: one prefix of 30 must go.
  expect(take(slots, range(500, 520))).toEqual({ slot: 3, cached: 0, evicted: [0] });
  expect({ reserved: slots.bytesReserved, evictions: slots.evictions }).toEqual({
    reserved: 85,
    evictions: 1,
  });
  expect(use(slots, [...range(100, 130), 1])).toEqual({ slot: 1, cached: 30 });
});

test('a request waits, and nothing is evicted, while running ones leave too little of the budget', () => {
  const slots = slotsOf(3, { budget: 100 });
  use(slots, range(0, 20));
  const running = take(slots, range(100, 160));
  expect(take(slots, range(200, 240))).toBeUndefined();
  expect(slots.bytesReserved).toBe(85);
  slots.free(running?.slot ?? -1);
  expect(take(slots, range(200, 240))?.evicted).toEqual([]);
});

test('prefixes from elsewhere fill empty slots within the budget, the first as if used last', () => {
  const slots = slotsOf(3, { budget: 100 });
  const adopted = [range(0, 40), range(100, 130), range(200, 240), range(300, 320)].map((ids) =>
    slots.adopt(ids),
  );
  expect(adopted).toEqual([0, 1, undefined, 2]);
  expect(slots.kept().map(({ slot, ids }) => [slot, ids.length])).toEqual([
    [0, 40],
    [1, 30],
    [2, 20],
  ]);
  slots.discard(1);
  expect(slots.kept().map(({ slot }) => slot)).toEqual([0, 2]);
  expect(take(slots, range(900, 910))).toEqual({ slot: 1, cached: 0, evicted: [] });
});
