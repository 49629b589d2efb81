/**
 * The objects of the local cluster: in memory, each mirrored into one JSON file that is written whole or not at
 * all, so that the next `longpo run` finds them as they were.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ObjectMeta } from '@longpo/api';
import type { Resource, ResourceRef, ResourceType, WatchEvent } from '@longpo/controller';

export type StoredObject = Resource & { spec?: object; status?: object };
type Listener = (event: WatchEvent & { object: StoredObject }) => void;

const keyOf = ({ kind, namespace, name }: Omit<ResourceRef, 'apiVersion'>) => `${kind}_${namespace}_${name}`;
const keyOfObject = ({ kind, metadata }: Resource) =>
  keyOf({ kind, namespace: metadata.namespace, name: metadata.name });

function matches(object: Resource, labels: Record<string, string>): boolean {
  return Object.entries(labels).every(([name, value]) => object.metadata.labels?.[name] === value);
}

export class ObjectStore {
  readonly #folder: string;
  readonly #objects = new Map<string, StoredObject>();
  readonly #listeners = new Set<Listener>();
  #version = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const object = JSON.parse(readFileSync(join(folder, file), 'utf8')) as StoredObject;
      this.#objects.set(keyOfObject(object), object);
      this.#version = Math.max(this.#version, Number(object.metadata.resourceVersion ?? 0));
    }
  }

  get(ref: ResourceRef): StoredObject | undefined {
    return this.#objects.get(keyOf(ref));
  }

  list(type: ResourceType, namespace?: string, labels: Record<string, string> = {}): StoredObject[] {
    return [...this.#objects.values()].filter(
      (object) =>
        object.kind === type.kind &&
        (namespace === undefined || object.metadata.namespace === namespace) &&
        matches(object, labels),
    );
  }

  ownedBy(uid: string): StoredObject[] {
    return [...this.#objects.values()].filter((object) =>
      object.metadata.ownerReferences?.some((owner) => owner.uid === uid),
    );
  }

  /** Listeners run at once, in the order of the writes. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Creates or replaces; what the server owns (uid, versions, creation time) is kept or filled in. */
  put(object: StoredObject): StoredObject {
    const current = this.#objects.get(keyOfObject(object));
    const generation = current?.metadata.generation ?? 0;
    const specChanged = current === undefined || !isDeepStrictEqual(current.spec, object.spec);
    const kept: ObjectMeta = {
      uid: current?.metadata.uid ?? randomUUID(),
      creationTimestamp: current?.metadata.creationTimestamp ?? new Date().toISOString(),
      generation: specChanged ? generation + 1 : generation,
      resourceVersion: current?.metadata.resourceVersion ?? '0',
    };
    const wanted: StoredObject = structuredClone({ ...object, metadata: { ...object.metadata, ...kept } });
    if (isDeepStrictEqual(current, wanted)) return wanted;
    const next = { ...wanted, metadata: { ...wanted.metadata, resourceVersion: String(++this.#version) } };
    this.#objects.set(keyOfObject(next), next);
    this.#save(next);
    this.#emit({ type: current === undefined ? 'ADDED' : 'MODIFIED', object: next });
    return next;
  }

  delete(ref: ResourceRef): void {
    const object = this.#objects.get(keyOf(ref));
    if (object === undefined) return;
    this.#objects.delete(keyOf(ref));
    rmSync(this.#file(object), { force: true });
    this.#emit({ type: 'DELETED', object });
  }

  #emit(event: WatchEvent & { object: StoredObject }): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #file(object: Resource): string {
    return join(this.#folder, `${keyOfObject(object)}.json`);
  }

  #save(object: StoredObject): void {
    const temporary = `${this.#file(object)}.tmp`;
    writeFileSync(temporary, JSON.stringify(object, null, 1));
    renameSync(temporary, this.#file(object));
  }
}
