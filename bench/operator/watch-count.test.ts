import { expect, it } from 'vitest';
import { countsSince } from './watch-count.ts';

it('counts what came since, without what did not', () => {
  const before = new Map([
    ['jobs', 3],
    ['pods', 5],
  ]);
  const after = new Map([
    ['jobs', 4],
    ['pods', 5],
    ['services', 2],
  ]);
  expect([...countsSince(before, after)]).toEqual([
    ['jobs', 1],
    ['services', 2],
  ]);
});
