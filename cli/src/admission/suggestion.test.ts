import { describe, expect, it } from 'vitest';
import { nearest } from './suggestion.ts';

const known = ['learningRate', 'warmupRatio', 'optim', 'dtype', 'seed'];

describe('nearest', () => {
  it.each([
    ['learnignRate', 'learningRate'],
    ['learning_rate', 'learningRate'],
    ['LEARNINGRATE', 'learningRate'],
    ['optimizer', 'optim'],
    ['dtypes', 'dtype'],
    ['rope', undefined],
    ['x', undefined],
  ])('%s -> %s', (name, wanted) => {
    expect(nearest(name, known)).toBe(wanted);
  });

  it('knows nothing where nothing is known', () => {
    expect(nearest('seed', [])).toBeUndefined();
  });
});
