import { describe, expect, it } from 'vitest';
import { brokenBy } from './gang.ts';

const time = (clock: string) => `2026-11-24T${clock}Z`;
const life = (name: string, startedAt: string, at: string, exitCode = 1) => ({
  name,
  exitCode,
  startedAt: time(startedAt),
  at: time(at),
});

describe('brokenBy', () => {
  it.each([
    ['nothing -> nothing', [], []],
    [
      'ranks of one gang -> the first to end, however late the others notice',
      [
        life('b', '10:00:01', '11:10:00'),
        life('a', '10:00:00', '11:00:00'),
        life('c', '10:00:02', '11:00:01'),
      ],
      ['a'],
    ],
    [
      'the gang that came after it breaks for itself',
      [
        life('a', '10:00:00', '11:00:00'),
        life('b', '10:00:00', '11:00:03'),
        life('a2', '11:00:10', '11:00:20'),
      ],
      ['a', 'a2'],
    ],
    [
      'two in one second -> the one with a reason of its own',
      [life('a', '10:00:00', '11:00:00'), life('b', '10:00:00', '11:00:00', 137)],
      ['b'],
    ],
    [
      'a rank whose start is not known counts for itself',
      [life('a', '10:00:00', '11:00:00'), { ...life('b', '10:00:00', '11:00:01'), startedAt: '' }],
      ['a', 'b'],
    ],
  ])('%s', (_, ended, roots) => {
    expect(brokenBy(ended).map(({ name }) => name)).toEqual(roots);
  });
});
