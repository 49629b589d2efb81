import { expect, it } from 'vitest';
import { claims, jobs } from '../cluster.ts';
import { collectionPath, objectPath } from './resource-paths.ts';

it('leads to collections, objects and their status, of core kinds and of groups', () => {
  expect([
    collectionPath(claims),
    collectionPath(jobs, 'a'),
    objectPath({ ...claims, namespace: 'a', name: 'x' }),
    objectPath(
      { apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOTraining', namespace: 'a', name: 'x' },
      'status',
    ),
  ]).toEqual([
    '/api/v1/persistentvolumeclaims',
    '/apis/batch/v1/namespaces/a/jobs',
    '/api/v1/namespaces/a/persistentvolumeclaims/x',
    '/apis/longpo.dev/v1alpha1/namespaces/a/longpotrainings/x/status',
  ]);
});

it.each(['', '..', 'a/b', 'a..b', '%2e%2e', 'a?x=1', 'A'])(
  'does not follow the name "%s" elsewhere',
  (name) => {
    const message = `"${name}" is no name of an object`;
    expect(() => objectPath({ ...jobs, namespace: 'a', name })).toThrow(message);
    expect(() => objectPath({ ...jobs, namespace: name, name: 'x' })).toThrow(message);
  },
);

it('knows only the kinds that the controller uses', () => {
  expect(() => collectionPath({ apiVersion: 'v1', kind: 'Secret' })).toThrow('no path known for Secret');
});
