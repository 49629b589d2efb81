import { expect, it } from 'vitest';
import { residentBytesOf, sharedWindow } from './side-process.ts';

it('counts what came between the last of the first tokens and the first of the last', () => {
  const window = sharedWindow([
    [1000, 1100, 1200, 1300],
    [1150, 1250, 1350, 1450],
  ]);
  expect(window).toEqual({ seconds: 0.15, tokens: 3 });
});

it('leaves the first token of a lone sequence out', () => {
  expect(sharedWindow([[1000, 1500, 2000]])).toEqual({ seconds: 1, tokens: 2 });
});

it('adds up what is resident but of no file', () => {
  const status =
    'VmRSS:\t    9000 kB\nRssAnon:\t    2000 kB\nRssFile:\t    6000 kB\nRssShmem:\t    1000 kB\n';
  expect(residentBytesOf(status)).toBe(3000 * 1024);
});
