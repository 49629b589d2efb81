import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Item, SmallServer } from './fixture/small-server.ts';
import { refuse } from './fixture/wire.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import type { TransportOptions } from './transport.ts';

let server: SmallServer;
const running: Reflector<Item>[] = [];
beforeEach(async () => {
  server = await SmallServer.start();
});
afterEach(async () => {
  for (const reflector of running.splice(0)) reflector.stop();
  await server.wire.stop();
});

function reflect(options: Partial<ReflectorOptions<Item>> = {}, transport: TransportOptions = {}) {
  const events: string[] = [];
  const errors: string[] = [];
  const states: string[] = [];
  const reflector = new Reflector<Item>({
    transport: server.wire.transport(transport),
    path: '/api/v1/configmaps',
    backoff: { baseMs: 1, maxMs: 10 },
    onEvent: (event) => events.push(`${event.type} ${event.object.metadata.name}=${event.object.data}`),
    onError: (error) => errors.push((error as Error).message),
    observer: { onState: (state) => states.push(state) },
    ...options,
  });
  running.push(reflector);
  const content = () =>
    Object.fromEntries(
      reflector
        .list()
        .map(({ metadata, data }) => [metadata.name, data])
        .toSorted(),
    );
  return { reflector, events, errors, states, content };
}

const watching = () => expect.poll(() => server.wire.openWatches).toBe(1);

describe('a reflector', () => {
  it('keeps of the managed fields what its own manager applied, and knows when that is nothing', async () => {
    server.put('n', '0');
    const { reflector } = reflect({ manager: 'us' });
    await reflector.start();
    expect(reflector.get('a', 'n')?.metadata).toEqual({
      namespace: 'a',
      name: 'n',
      uid: 'uid-1',
      resourceVersion: '101',
      managedFields: [],
    });
  });

  it('has every page of the list when it has started, without managed fields, and follows from there', async () => {
    for (let i = 0; i < 7; i++) server.put(`n${i}`, '0');
    const { reflector, events, content } = reflect({ pageSize: 3 });
    await reflector.start();
    expect(events).toHaveLength(7);
    expect(server.lists.map(({ query }) => query.limit)).toEqual(['3', '3', '3']);
    expect(reflector.get('a', 'n3')).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'a', name: 'n3', uid: 'uid-4', resourceVersion: '104' },
      data: '0',
    });
    await watching();
    server.put('n3', '1');
    server.remove('n4');
    server.put('n9', '0');
    await expect.poll(() => events.slice(7)).toEqual(['MODIFIED n3=1', 'DELETED n4=0', 'ADDED n9=0']);
    expect(content()).toEqual({ n0: '0', n1: '0', n2: '0', n3: '1', n5: '0', n6: '0', n9: '0' });
    const { timeoutSeconds, ...query } = server.watches[0]?.query ?? {};
    expect(query).toEqual({ watch: 'true', resourceVersion: '107', allowWatchBookmarks: 'true' });
    expect(Number(timeoutSeconds)).toBeGreaterThanOrEqual(300);
    expect(Number(timeoutSeconds)).toBeLessThanOrEqual(600);
  });

  it.each(['end', 'reset'] as const)('goes on after a watch that ends by %s, without a list', async (how) => {
    server.put('x', '0');
    const { reflector, events } = reflect();
    await reflector.start();
    await watching();
    server.put('x', '1');
    await expect.poll(() => events).toEqual(['ADDED x=0', 'MODIFIED x=1']);
    server.cut(how);
    server.put('x', '2');
    server.put('x', '3');
    await expect.poll(() => events.slice(2)).toEqual(['MODIFIED x=2', 'MODIFIED x=3']);
    expect([server.lists.length, server.watches[1]?.query.resourceVersion]).toEqual([1, '102']);
  });

  it.each([
    ['half a line', '{"type":"MODIFIED","obj'],
    ['a line that is no JSON', 'what?\n'],
  ])('goes on from the last whole line after %s', async (_, garbage) => {
    server.put('x', '0');
    const { reflector, events, errors } = reflect();
    await reflector.start();
    await watching();
    server.send(garbage);
    server.cut('end');
    server.put('x', '1');
    await expect.poll(() => events).toEqual(['ADDED x=0', 'MODIFIED x=1']);
    expect(errors).toHaveLength(1);
    expect(server.lists).toHaveLength(1);
  });

  it('goes on after a watch that has gone silent', async () => {
    server.put('x', '0');
    const { reflector, errors } = reflect({}, { watchIdleMs: 30 });
    await reflector.start();
    await expect.poll(() => server.watches.length).toBeGreaterThan(2);
    expect(new Set(errors)).toEqual(new Set(['the watch was silent for too long']));
    expect(server.lists).toHaveLength(1);
  });

  it('follows from a bookmark, so that quiet kinds do not expire', async () => {
    server.put('x', '0');
    const { reflector, content } = reflect();
    await reflector.start();
    await watching();
    server.bookmark();
    server.compact();
    server.cut('end');
    await watching();
    server.put('x', '1');
    await expect.poll(content).toEqual({ x: '1' });
    expect(server.lists).toHaveLength(1);
    expect(server.watches.at(-1)?.query.resourceVersion).toBe('102');
  });

  it('lists again when its version is refused with 410, and tells what it missed', async () => {
    for (const name of ['gone', 'kept', 'again']) server.put(name, '0');
    const { reflector, events, errors, content } = reflect();
    await reflector.start();
    await watching();
    server.cut('reset');
    server.remove('gone');
    server.remove('again');
    server.put('again', '1');
    server.put('kept', '1');
    server.compact();
    await expect.poll(() => server.lists.length).toBe(2);
    await watching();
    expect(content()).toEqual({ again: '1', kept: '1' });
    expect(events.slice(3)).toEqual([
      'DELETED gone=0',
      'DELETED again=0',
      'MODIFIED kept=1',
      'ADDED again=1',
    ]);
    expect(errors).toEqual(['the watch broke off']);
  });

  it.each([
    { code: 410, reason: 'Expired', message: 'too old resource version' },
    { code: 504, reason: 'Timeout', message: 'Too large resource version: 9, current: 5' },
  ])('lists again when an open watch tells of $reason', async (status) => {
    server.put('x', '0');
    const { reflector, errors } = reflect();
    await reflector.start();
    await watching();
    server.send({ type: 'ERROR', object: { kind: 'Status', ...status } });
    await expect.poll(() => server.lists.length).toBe(2);
    expect(errors).toEqual([]);
  });

  it('only watches again when an open watch tells of another error', async () => {
    server.put('x', '0');
    const { reflector, errors } = reflect();
    await reflector.start();
    await watching();
    server.send({ type: 'ERROR', object: { kind: 'Status', code: 500, message: 'etcd has no leader' } });
    await expect.poll(() => server.watches.length).toBe(2);
    expect([server.lists.length, errors]).toEqual([1, ['etcd has no leader']]);
  });

  it('begins the list again when it expires between two pages', async () => {
    for (let i = 0; i < 5; i++) server.put(`n${i}`, '0');
    server.fault = ({ query }) => {
      if (query.continue === undefined) return false;
      server.fault = undefined;
      server.remove('n0');
      server.compact();
      return false;
    };
    const { reflector, events, content } = reflect({ pageSize: 2 });
    await reflector.start();
    expect(content()).toEqual({ n1: '0', n2: '0', n3: '0', n4: '0' });
    expect(events).toEqual(['ADDED n1=0', 'ADDED n2=0', 'ADDED n3=0', 'ADDED n4=0']);
    expect(server.lists.map(({ query }) => query.continue)).toEqual([undefined, '2@105', undefined, '2@106']);
  });

  it('starts when the API server does', async () => {
    let refusals = 0;
    server.fault = (_, response) => {
      if (++refusals > 7) return false;
      refuse(response, 503, 'ServiceUnavailable');
      return true;
    };
    server.put('x', '0');
    const { reflector, errors, states, content } = reflect();
    await reflector.start();
    expect(content()).toEqual({ x: '0' });
    expect(errors).toEqual(['ServiceUnavailable']);
    expect(states.slice(0, 3)).toEqual(['LISTING', 'BACKOFF', 'LISTING']);
  });

  it('is not ended by a handler that throws, nor does it tell it twice', async () => {
    server.put('x', '0');
    const seen: string[] = [];
    const { reflector, errors } = reflect({
      onEvent: ({ type }) => {
        seen.push(type);
        throw new Error('a bug in a handler');
      },
    });
    await reflector.start();
    await watching();
    server.put('x', '1');
    server.put('x', '2');
    await expect.poll(() => seen).toEqual(['ADDED', 'MODIFIED', 'MODIFIED']);
    expect(errors).toEqual(['a bug in a handler', 'a bug in a handler', 'a bug in a handler']);
    expect(server.watches).toHaveLength(1);
  });

  it('keeps what the transform leaves, and tells the previous state', async () => {
    server.put('x', 'long text');
    const told: unknown[] = [];
    const { reflector } = reflect({
      transform: (object) => ({ ...object, data: object.data.slice(0, 4) }),
      onEvent: (event) =>
        told.push([event.object.data, event.type === 'MODIFIED' ? event.previous.data : undefined]),
    });
    await reflector.start();
    await watching();
    server.put('x', 'other text');
    await expect
      .poll(() => told)
      .toEqual([
        ['long', undefined],
        ['othe', 'long'],
      ]);
  });

  it('opens no watch when it is stopped within its list', async () => {
    const held = Promise.withResolvers<void>();
    server.fault = () => {
      held.resolve();
      return true; // never answered
    };
    const { reflector, states } = reflect();
    const started = expect(reflector.start()).rejects.toThrow('stopped before its first list');
    await held.promise;
    reflector.stop();
    await started;
    expect(states).toEqual(['LISTING', 'STOPPED']);
    expect(server.watches).toEqual([]);
  });

  it('opens no watch when a handler of its first list stops it', async () => {
    server.put('x', '0');
    server.put('y', '0');
    const { reflector, states } = reflect({ onEvent: () => reflector.stop() });
    await expect(reflector.start()).rejects.toThrow('stopped');
    expect(states).toEqual(['LISTING', 'STOPPED']);
    expect(server.watches).toEqual([]);
  });

  it('closes its watch when it is stopped, and tells nothing more', async () => {
    const { reflector, events, states } = reflect();
    await reflector.start();
    await watching();
    reflector.stop();
    await expect.poll(() => server.wire.openWatches).toBe(0);
    server.put('x', '0');
    expect([events, states, reflector.state]).toEqual([[], ['LISTING', 'WATCHING', 'STOPPED'], 'STOPPED']);
  });

  it('refuses to be started twice', async () => {
    const { reflector } = reflect();
    await reflector.start();
    await expect(reflector.start()).rejects.toThrow('can be started once');
    await watching();
    expect(server.watches).toHaveLength(1);
  });

  it('ends like the server after any mixture of changes and faults', async () => {
    const { reflector, events, content } = reflect({ pageSize: 4 });
    await reflector.start();
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const faults = [
      () => server.cut('end'),
      () => server.cut('reset'),
      () => server.compact(),
      () => server.send('{"type"'),
      () => server.bookmark(),
      () => server.send({ type: 'ERROR', object: { code: 410, reason: 'Expired' } }),
    ];
    for (let i = 0; i < 600; i++) {
      const name = `n${random(12)}`;
      if (random(3) === 0) server.remove(name);
      else server.put(name, String(i));
      if (random(10) === 0) faults[random(faults.length)]?.();
      if (random(4) === 0) await new Promise(setImmediate);
    }
    server.cut('reset'); // half a line may be open, and what follows it would be lost with it
    await expect
      .poll(content, { timeout: 10_000 })
      .toEqual(Object.fromEntries([...server.objects].map(([name, { data }]) => [name, data]).toSorted()));
    // What was told, told again, gives the same: nothing was deleted twice or changed before it was added.
    const told = new Map<string, string>();
    for (const event of events) {
      const [, type, name = '', data = ''] = /^(\w+) (\w+)=(\w+)$/.exec(event) ?? [];
      expect([event, told.has(name)]).toEqual([event, type !== 'ADDED']);
      if (type === 'DELETED') told.delete(name);
      else told.set(name, data);
    }
    expect(Object.fromEntries([...told].toSorted())).toEqual(content());
  });
});
