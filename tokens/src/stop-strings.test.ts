import { expect, it } from 'vitest';
import { StopStrings } from './stop-strings.ts';

interface Case {
  readonly stop: string | string[] | null;
  readonly pushes: string[];
  /** What each push gives out, then what end does. */
  readonly pieces: string[];
  readonly found: boolean;
}

it.each<[string, Case]>([
  ['without a stop string', { stop: null, pushes: ['ab', 'c'], pieces: ['ab', 'c', ''], found: false }],
  ['inside one push', { stop: 'END', pushes: ['one END two'], pieces: ['one ', ''], found: true }],
  ['across pushes', { stop: 'END', pushes: ['a E', 'N', 'D b'], pieces: ['a ', '', '', ''], found: true }],
  ['at the very start', { stop: 'END', pushes: ['END'], pieces: ['', ''], found: true }],
  [
    'in what comes after it',
    { stop: 'x', pushes: ['ax', 'bx', 'c'], pieces: ['a', '', '', ''], found: true },
  ],
  ['in a false start', { stop: 'END', pushes: ['EN', 'EMY'], pieces: ['', 'ENEMY', ''], found: false }],
  [
    'in half of one at the end',
    { stop: 'END', pushes: ['a', ' EN'], pieces: ['a', ' ', 'EN'], found: false },
  ],
  ['that repeats itself', { stop: 'aab', pushes: ['aa', 'a', 'b!'], pieces: ['', 'a', '', ''], found: true }],
  ['by the earliest of two', { stop: ['cd', 'bc'], pushes: ['abcd'], pieces: ['a', ''], found: true }],
  [
    'with a long one that may yet come around a short one that has',
    { stop: ['abcd', 'bc'], pushes: ['xab', 'c'], pieces: ['x', 'a', ''], found: true },
  ],
  ['by the empty string', { stop: ['', 'z'], pushes: ['ab'], pieces: ['ab', ''], found: false }],
])('cuts %s', (_, { stop, pushes, pieces, found }) => {
  const stops = new StopStrings(stop);
  expect([...pushes.map((piece) => stops.push(piece)), stops.end()]).toEqual(pieces);
  expect(stops.found).toBe(found);
});

/** Every way to cut a text into pieces. */
function* partitions(text: string): Generator<string[]> {
  for (let cuts = 0; cuts < 1 << (text.length - 1); cuts++) {
    const pieces: string[] = [];
    let from = 0;
    for (let at = 1; at <= text.length; at++)
      if (at === text.length || cuts & (1 << (at - 1))) {
        pieces.push(text.slice(from, at));
        from = at;
      }
    yield pieces;
  }
}

it.each([
  ['aabaabab', ['abab'], 'aaba'],
  ['aaaaaaab', ['aab', 'aaaab'], 'aaa'],
  ['abcabdab', ['abd'], 'abc'],
  ['abababab', ['bb', 'abc'], 'abababab'],
])('gives of %s, up to %j, exactly %s, however it is cut into pieces', (text, stop, expected) => {
  const found = expected !== text;
  for (const pieces of partitions(text)) {
    const stops = new StopStrings(stop);
    const given = pieces.map((piece) => stops.push(piece)).join('');
    expect({ pieces, found: stops.found, whole: given + stops.end() }).toEqual({
      pieces,
      found,
      whole: expected,
    });
    if (found) expect({ pieces, given }).toEqual({ pieces, given: expected });
  }
});
