import { describe, expect, it } from 'vitest';
import { claimOf, modelDirectory, podPath } from './uri.ts';

describe('a uri', () => {
  it.each<[uri: string, wanted: { path: string; claim: string | undefined; model: string }]>([
    ['/models/smollm2', { path: '/models/smollm2', claim: undefined, model: '/models/smollm2' }],
    ['pvc://longpo/models/x', { path: 'models/x', claim: 'longpo', model: 'models/x' }],
    ['hf://org/name', { path: 'hf://org/name', claim: undefined, model: 'models/org--name/main' }],
    ['hf://org/name@v1.0', { path: 'hf://org/name@v1.0', claim: undefined, model: 'models/org--name/v1.0' }],
    [
      'hf://org/name@refs/pr/1',
      { path: 'hf://org/name@refs/pr/1', claim: undefined, model: 'models/org--name/refs--pr--1' },
    ],
  ])('%s is one path in every pod', (uri, wanted) => {
    expect({ path: podPath(uri), claim: claimOf(uri), model: modelDirectory(uri) }).toEqual(wanted);
  });
});
