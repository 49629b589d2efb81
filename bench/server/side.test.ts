import { expect, it } from 'vitest';
import { inTurn, ratio } from './side.ts';

it('lets all take turns in every round and forgets the rounds that warm up', async () => {
  const asked: string[] = [];
  const figures = await inTurn(['a', 'b'], { rounds: 2, warmUps: 1 }, async (name, round) => {
    asked.push(`${name}${round}`);
    return round;
  });
  expect({ asked, figures }).toEqual({
    asked: ['a-1', 'b-1', 'a0', 'b0', 'a1', 'b1'],
    figures: [
      [0, 1],
      [0, 1],
    ],
  });
});

it('divides round by round', () => {
  expect(ratio([10, 30, 80], [10, 10, 20])).toBe('3.00 (1.00 to 4.00)');
});
