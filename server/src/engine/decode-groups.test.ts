import { expect, test } from 'vitest';
import { decodeGroups } from './decode-groups.ts';

const row = (slot: number) => ({ slot, id: slot, past: 10 });

test('neighbours and near neighbours share a run, in the order of their slots', () => {
  expect(decodeGroups([row(3), row(0), row(1)])).toEqual([
    { firstSlot: 0, rows: [row(0), row(1), null, row(3)] },
  ]);
});

test('a wide gap of idle slots starts another run', () => {
  expect(decodeGroups([row(1), row(6), row(12)])).toEqual([
    { firstSlot: 1, rows: [row(1), null, null, null, null, row(6)] },
    { firstSlot: 12, rows: [row(12)] },
  ]);
});
