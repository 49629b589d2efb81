import { describe, expect, it } from 'vitest';
import { brokenBy } from './gang.ts';

const time = (clock: string) => `2026-11-24T${clock}Z`;
const life = (name: string, startedAt: string, at: string, exitCode = 1) => ({
  name,
  exitCode,
  lostPeer: false,
  startedAt: time(startedAt),
  at: time(at),
});

/** As a rank ends that another has left. */
const follower = (name: string, startedAt: string, at: string) => ({
  ...life(name, startedAt, at, 75),
  lostPeer: true,
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
      'a crash and those that say they lost it, in one second -> the crash',
      [
        follower('a', '10:00:00', '11:00:00'),
        life('b', '10:00:00', '11:00:00'),
        follower('c', '10:00:00', '11:00:00'),
      ],
      ['b'],
    ],
    [
      'a crash whose pod ends later than those that lost it -> the crash',
      [follower('a', '10:00:00', '11:00:00'), life('b', '10:00:00', '11:00:03')],
      ['b'],
    ],
    [
      'only those that lost another, and one that waited for it in vain -> none of its own',
      [
        follower('a', '10:00:00', '11:00:00'),
        follower('b', '10:00:00', '11:00:01'),
        life('c', '10:00:00', '11:10:00'),
      ],
      ['a'],
    ],
    [
      'a gang that crashes soon after it lost a rank -> the crash',
      [follower('a', '10:00:00', '11:00:00'), life('a2', '11:00:05', '11:00:15')],
      ['a2'],
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
