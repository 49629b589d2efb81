import { expect, test } from 'vitest';
import { Slots } from './slots.ts';

function use(slots: Slots, prompt: number[]): { slot: number; cached: number } {
  const placement = slots.take(prompt);
  if (!placement) throw new Error('no free slot');
  slots.append(placement.slot, prompt.slice(placement.cached));
  slots.free(placement.slot);
  return placement;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('a prompt continues in the slot that shares its prefix', () => {
  const slots = new Slots(2);
  use(slots, range(0, 10));
  use(slots, range(50, 60));
  expect(use(slots, [...range(0, 10), 99])).toEqual({ slot: 0, cached: 10 });
  expect(use(slots, [...range(50, 58), 1, 2])).toEqual({ slot: 1, cached: 8 });
});

test('the same prompt again still runs its last token', () => {
  const slots = new Slots(1);
  use(slots, range(0, 10));
  expect(use(slots, range(0, 10))).toEqual({ slot: 0, cached: 9 });
});

test('a short shared beginning does not cost another conversation its slot', () => {
  const slots = new Slots(2);
  use(slots, range(0, 100));
  expect(use(slots, [0, 1, 2, ...range(200, 300)])).toEqual({ slot: 1, cached: 0 });
  expect(use(slots, [...range(0, 100), 7])).toEqual({ slot: 0, cached: 100 });
});

test('without a shared prefix the slot unused for longest is taken', () => {
  const slots = new Slots(3);
  for (const start of [0, 1000, 2000]) use(slots, range(start, start + 10));
  use(slots, [...range(0, 10), 5]);
  expect(use(slots, range(7000, 7010))).toEqual({ slot: 1, cached: 0 });
});

test('busy slots are not taken, and their tokens count as used', () => {
  const slots = new Slots(1);
  expect(slots.take([1, 2])).toEqual({ slot: 0, cached: 0 });
  expect(slots.take([1, 2])).toBeUndefined();
  slots.append(0, [1, 2]);
  expect(slots.tokensUsed).toBe(2);
});
