import { describe, expect, it } from 'vitest';
import { listKeyProblems } from './list-keys.ts';

const map = (...keys: string[]) => ({
  properties: { list: { items: {}, 'x-kubernetes-list-map-keys': keys } },
});
const named = (...names: string[]) => ({ list: names.map((name) => ({ name })) });

describe('listKeyProblems', () => {
  it.each<[name: string, schema: object, value: unknown, fields: string[]]>([
    ['different keys', map('name'), named('a', 'b'), []],
    ['the same key', map('name'), named('a', 'b', 'a', 'a'), ['list[2].name', 'list[3].name']],
    ['a list that is none', map('name'), {}, []],
    ['an ordinary list', { properties: { list: { items: {} } } }, named('a', 'a'), []],
    [
      'two keys, one of them different',
      map('name', 'port'),
      {
        list: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      [],
    ],
    ['a list in an item', { items: map('name') }, [named('a'), named('a', 'a')], ['[1].list[1].name']],
  ])('%s', (_, schema, value, fields) => {
    expect(listKeyProblems(schema, value).map(({ field }) => field)).toEqual(fields);
  });
});
