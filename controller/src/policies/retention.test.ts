import { describe, expect, it } from 'vitest';
import { trained } from '../fixture/results.ts';
import { makeTraining } from '../fixture/training.ts';
import { foldersToRemove } from './retention.ts';

describe('foldersToRemove', () => {
  const before = { name: 'one', trained: trained('one') };
  const exported = {
    name: 'one',
    trained: { master: 'demo/one/checkpoint', checkpoint: 'demo/one/checkpoint' },
  };
  it.each<
    [name: string, retain: 'All' | 'Published', before: typeof before | typeof exported | undefined, string[]]
  >([
    ['all are kept -> none', 'All', before, []],
    ['the first stage -> its own steps', 'Published', undefined, ['demo/two/steps']],
    [
      'a later stage -> what it started from as well',
      'Published',
      before,
      ['demo/one/master', 'demo/one/steps', 'demo/two/steps'],
    ],
    [
      'weights that are the published checkpoint -> stay',
      'Published',
      exported,
      ['demo/one/steps', 'demo/two/steps'],
    ],
  ])('%s', (_, retain, stage, wanted) => {
    const { spec } = makeTraining({ spec: { checkpoints: { retain } } }).training;
    expect(foldersToRemove(spec, 'demo', 'two', stage)).toEqual(wanted);
  });
});
