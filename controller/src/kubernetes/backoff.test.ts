import { expect, it } from 'vitest';
import { jittered } from './backoff.ts';

it('is random below a ceiling that doubles up to its limit', () => {
  const backoff = { baseMs: 800, maxMs: 30_000 };
  const ceilings = [1, 2, 3, 6, 7, 5_000].map((failures) => jittered(backoff, failures, () => 1));
  expect(ceilings).toEqual([800, 1600, 3200, 25_600, 30_000, 30_000]);
  expect(jittered(backoff, 3, () => 0.25)).toBe(800);
});
