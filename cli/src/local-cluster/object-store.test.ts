import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalCluster, startGarbageCollector } from './local-cluster.ts';
import { ObjectStore, type StoredObject } from './object-store.ts';

const object = (kind: string, name: string, rest: Partial<StoredObject> = {}): StoredObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: 'default' },
  ...rest,
});
const ref = (kind: string, name: string) => ({ apiVersion: 'v1', kind, namespace: 'default', name });
const ownedBy = (owner: StoredObject) => ({
  ownerReferences: [
    { apiVersion: 'v1', kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid ?? '' },
  ],
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('ObjectStore', () => {
  it('finds its objects again after a restart, and ignores a half-written file', () => {
    const stored = new ObjectStore(folder).put(object('Pod', 'a', { spec: { n: 1 } }));
    writeFileSync(join(folder, 'Pod_default_b.json.tmp'), '{"half');
    expect(new ObjectStore(folder).list({ apiVersion: 'v1', kind: 'Pod' })).toEqual([stored]);
  });

  it('counts generations on spec changes only, and versions on every change', () => {
    const store = new ObjectStore(folder);
    const versions = [
      store.put(object('Pod', 'a', { spec: { n: 1 } })),
      store.put(object('Pod', 'a', { spec: { n: 1 }, status: { phase: 'Running' } })),
      store.put(object('Pod', 'a', { spec: { n: 2 }, status: { phase: 'Running' } })),
    ].map(({ metadata }) => [metadata.generation, metadata.resourceVersion]);
    expect(versions).toEqual([
      [1, '1'],
      [1, '2'],
      [2, '3'],
    ]);
  });

  it('says nothing when nothing changed', () => {
    const store = new ObjectStore(folder);
    store.put(object('Pod', 'a'));
    const events: string[] = [];
    store.subscribe(({ type }) => events.push(type));
    store.put(object('Pod', 'a'));
    expect(events).toEqual([]);
  });
});

describe('foreground deletion', () => {
  it('removes what an object owns first, and a pod only when its process is gone', async () => {
    const store = new ObjectStore(folder);
    startGarbageCollector(store);
    const owner = store.put(object('Job', 'job'));
    store.put(object('Pod', 'pod', { metadata: { name: 'pod', namespace: 'default', ...ownedBy(owner) } }));
    await new LocalCluster(store).remove(ref('Job', 'job'));
    const marked = [ref('Job', 'job'), ref('Pod', 'pod')].map(
      (r) => store.get(r)?.metadata.deletionTimestamp,
    );
    expect(marked.every((time) => time !== undefined)).toBe(true);
    store.delete(ref('Pod', 'pod')); // what the executor does once the process ended
    expect(store.get(ref('Job', 'job'))).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });
});
