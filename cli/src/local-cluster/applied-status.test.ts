import { expect, it } from 'vitest';
import { mergeApplied } from './applied-status.ts';

it('is the union of what the managers applied, lists merged by name', () => {
  const applied = {
    controller: {
      state: 'Training',
      stages: [
        { name: '1k', state: 'Succeeded' },
        { name: '2k', state: 'Training' },
      ],
    },
    progress: { stages: [{ name: '2k', progress: { completed: 1 } }] },
  };
  expect(mergeApplied(applied)).toEqual({
    state: 'Training',
    stages: [
      { name: '1k', state: 'Succeeded' },
      { name: '2k', state: 'Training', progress: { completed: 1 } },
    ],
  });
});

it('drops a field once no manager applies it', () => {
  const before = { controller: { state: 'Failed', message: 'no' }, progress: { stages: [] } };
  const after = { ...before, controller: { state: 'Succeeded' } };
  expect(mergeApplied(after)).toEqual({ state: 'Succeeded', stages: [] });
});

it('lets the later manager replace lists without keys', () => {
  expect(mergeApplied({ a: { list: [1, 2] }, b: { list: [3] } })).toEqual({ list: [3] });
});
