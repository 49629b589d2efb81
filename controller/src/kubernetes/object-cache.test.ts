import { describe, expect, it } from 'vitest';
import { ObjectCache } from './object-cache.ts';

const object = (name: string, uid: string, resourceVersion: string) => ({
  metadata: { namespace: 'a', name, uid, resourceVersion },
});

function filled(...objects: ReturnType<typeof object>[]) {
  const cache = new ObjectCache<ReturnType<typeof object>>();
  expect([...cache.replace(objects)].map(({ type }) => type)).toEqual(objects.map(() => 'ADDED'));
  return cache;
}

describe('the cache of objects', () => {
  it('tells a relist as what happened meanwhile: gone, new, changed, and nothing for the same', () => {
    const [gone, same, old] = [object('gone', '1', '1'), object('same', '2', '2'), object('old', '3', '3')];
    const cache = filled(gone, same, old);
    const [changed, fresh] = [object('old', '3', '9'), object('new', '4', '8')];
    expect([...cache.replace([same, changed, fresh])]).toEqual([
      { type: 'DELETED', object: gone },
      { type: 'MODIFIED', object: changed, previous: old },
      { type: 'ADDED', object: fresh },
    ]);
    expect(cache.list('a')).toEqual([same, changed, fresh]);
    expect(cache.size).toBe(3);
  });

  it('tells another object of the same name as deleted and added, in a relist and in a watch', () => {
    const [first, second, third] = [object('x', '1', '1'), object('x', '2', '5'), object('x', '3', '7')];
    const cache = filled(first);
    expect([...cache.replace([second])]).toEqual([
      { type: 'DELETED', object: first },
      { type: 'ADDED', object: second },
    ]);
    expect([...cache.put(third)]).toEqual([
      { type: 'DELETED', object: second },
      { type: 'ADDED', object: third },
    ]);
    expect(cache.list()).toEqual([third]);
  });

  it('takes an object out only by its own end, with its last state', () => {
    const cache = filled(object('x', '2', '5'));
    expect([...cache.remove(object('x', '1', '9'))]).toEqual([]);
    expect([...cache.remove(object('y', '2', '9'))]).toEqual([]);
    const last = object('x', '2', '9');
    expect([...cache.remove(last)]).toEqual([{ type: 'DELETED', object: last }]);
    expect([cache.size, cache.list()]).toEqual([0, []]);
  });

  it('shows an event already while it is told', () => {
    const cache = filled(object('x', '1', '1'));
    const states = [];
    for (const { type } of cache.replace([object('x', '2', '2')]))
      states.push([type, cache.get('a', 'x')?.metadata.uid]);
    expect(states).toEqual([
      ['DELETED', undefined],
      ['ADDED', '2'],
    ]);
  });
});
