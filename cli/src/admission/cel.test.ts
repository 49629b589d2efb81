import { describe, expect, it } from 'vitest';
import { celProblems } from './cel.ts';

const rule = (expression: string, fieldPath?: string) => ({
  'x-kubernetes-validations': [{ rule: expression, message: 'broken', ...(fieldPath && { fieldPath }) }],
});

describe('celProblems', () => {
  it.each<[name: string, schema: object, value: unknown, fields: string[]]>([
    ['a rule that holds', rule('self > 0'), 1, []],
    ['a rule at the root', rule('self > 0'), 0, ['']],
    ['a value that is not there', rule('self > 0'), undefined, []],
    ['has() of an absent field', rule('has(self.a) || has(self.b)'), { b: 1 }, []],
    ['has() of two absent fields', rule('has(self.a) || has(self.b)'), {}, ['']],
    ['a rule with a field path', rule('false', '.documents'), {}, ['documents']],
    ['a property', { properties: { a: rule('self > 0') } }, { a: 0 }, ['a']],
    ['a property that is absent', { properties: { a: rule('self > 0') } }, {}, []],
    [
      'items of a list',
      { properties: { list: { items: rule('self > 0') } } },
      { list: [1, 0, -1] },
      ['list[1]', 'list[2]'],
    ],
    [
      'a field path below an item',
      { properties: { list: { items: rule('self.n > 0', '.n') } } },
      { list: [{ n: 0 }] },
      ['list[0].n'],
    ],
    ['a sorted list', rule('self.isSorted()'), [1, 2, 2, 3], []],
    ['a list that is not sorted', rule('self.isSorted()'), [1, 3, 2], ['']],
    ['a sorted list of text', rule('self.map(s, s.name).isSorted()'), [{ name: 'a' }, { name: 'b' }], []],
    ['an empty list, which is sorted', rule('self.isSorted()'), [], []],
    ['numbers that are not whole', rule('self.min <= self.max'), { min: 0.5, max: 0.25 }, ['']],
  ])('%s', (_, schema, value, fields) => {
    expect(celProblems(schema, value)).toEqual(fields.map((field) => ({ field, message: 'broken' })));
  });

  it('reports every broken rule, in the order of the schema', () => {
    const schema = { ...rule('false'), properties: { a: rule('false'), b: rule('false') } };
    expect(celProblems(schema, { b: 1, a: 1 }, 'spec').map(({ field }) => field)).toEqual([
      'spec',
      'spec.a',
      'spec.b',
    ]);
  });
});
