/** Objects by namespace and name, and the events between one content and the next. Pure bookkeeping, no I/O. */
import type { Keyed } from './paged-list.ts';

export type CacheEvent<T> =
  | { type: 'ADDED'; object: T }
  | { type: 'MODIFIED'; object: T; previous: T }
  | { type: 'DELETED'; object: T };

export class ObjectCache<T extends Keyed> {
  readonly #namespaces = new Map<string, Map<string, T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#namespaces.get(namespace ?? '')?.get(name);
  }

  list(namespace?: string): T[] {
    if (namespace !== undefined) return [...(this.#namespaces.get(namespace)?.values() ?? [])];
    return [...this.#namespaces.values()].flatMap((objects) => [...objects.values()]);
  }

  /** The object of a name may be another one than before: its predecessor has been deleted, seen or not. */
  *put(object: T): Generator<CacheEvent<T>> {
    const previous = this.get(object.metadata.namespace, object.metadata.name);
    if (previous !== undefined && previous.metadata.uid === object.metadata.uid) {
      this.#set(object);
      yield { type: 'MODIFIED', object, previous };
      return;
    }
    if (previous !== undefined) {
      this.#delete(previous);
      yield { type: 'DELETED', object: previous };
    }
    this.#set(object);
    yield { type: 'ADDED', object };
  }

  /** What the object was at its end; a late word about a predecessor is no news. */
  *remove(object: T): Generator<CacheEvent<T>> {
    const known = this.get(object.metadata.namespace, object.metadata.name);
    if (known === undefined || known.metadata.uid !== object.metadata.uid) return;
    this.#delete(known);
    yield { type: 'DELETED', object };
  }

  /** Each event is yielded when the cache already shows it. Objects that did not change are no event. */
  *replace(objects: T[]): Generator<CacheEvent<T>> {
    const uids = new Set(objects.map(({ metadata }) => metadata.uid));
    for (const known of this.list()) {
      if (uids.has(known.metadata.uid)) continue;
      this.#delete(known);
      yield { type: 'DELETED', object: known };
    }
    for (const object of objects) {
      const known = this.get(object.metadata.namespace, object.metadata.name);
      const isSame =
        known !== undefined &&
        known.metadata.uid === object.metadata.uid &&
        known.metadata.resourceVersion === object.metadata.resourceVersion;
      if (!isSame) yield* this.put(object);
    }
  }

  #set(object: T): void {
    const namespace = object.metadata.namespace ?? '';
    const objects = this.#namespaces.get(namespace) ?? new Map<string, T>();
    this.#namespaces.set(namespace, objects);
    if (!objects.has(object.metadata.name)) this.#size++;
    objects.set(object.metadata.name, object);
  }

  #delete({ metadata }: T): void {
    const objects = this.#namespaces.get(metadata.namespace ?? '');
    if (objects?.delete(metadata.name)) this.#size--;
    if (objects?.size === 0) this.#namespaces.delete(metadata.namespace ?? '');
  }
}
