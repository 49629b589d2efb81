import { describe, expect, it } from 'vitest';
import { duration, percentile } from './percentile.ts';

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('percentile', () => {
  it.each([
    { of: [7], percent: 50, is: 7 },
    { of: [7], percent: 99, is: 7 },
    { of: oneTo(100), percent: 50, is: 50 },
    { of: oneTo(100), percent: 99, is: 99 },
    { of: oneTo(100), percent: 100, is: 100 },
    { of: oneTo(50), percent: 99, is: 50 },
    { of: oneTo(200), percent: 99, is: 198 },
    { of: [30, 1, 20], percent: 50, is: 20 },
    { of: [3, 1, 2], percent: 0, is: 1 },
    { of: [], percent: 50, is: Number.NaN },
  ])('$percent % of $of.length values is $is', ({ of, percent: wanted, is }) => {
    expect(percentile(of, wanted)).toBe(is);
  });

  it('leaves the order of what it is given', () => {
    const values = [3, 1, 2];
    percentile(values, 50);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('duration', () => {
  it('has the digits that were measured and no more', () => {
    expect([3.04, 42.42, 1234.5, 15_678, Number.NaN].map(duration)).toEqual([
      ...['3.0 ms', '42 ms', '1235 ms', '15.7 s', '-'],
    ]);
  });
});
