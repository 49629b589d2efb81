import { expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

it('lets a burst through, then a call each interval in the order of asking, and saves up no more than the burst', () => {
  let nowMs = 0;
  const bucket = new TokenBucket(50, 3, () => nowMs);
  expect([1, 2, 3, 4, 5].map(() => bucket.reserve())).toEqual([0, 0, 0, 20, 40]);
  nowMs = 20;
  expect(bucket.reserve()).toBeCloseTo(40);
  nowMs = 1_000_000;
  expect([1, 2, 3, 4].map(() => bucket.reserve())).toEqual([0, 0, 0, 20]);
});
