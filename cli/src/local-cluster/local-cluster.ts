/** The Cluster interface of the controller over the object store: apply, foreground deletion, status by manager. */

import { apiVersion } from '@longpo/api';
import {
  type Cluster,
  type Resource,
  type ResourceRef,
  type ResourceType,
  refOf,
  type WatchEvent,
} from '@longpo/controller';
import { admit } from '../admission/admit.ts';
import { type AppliedBy, mergeApplied } from './applied-status.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';

/** What each field manager applied last to the status. */
export const appliedAnnotation = 'local.longpo.dev/applied-status';

export class LocalCluster implements Cluster {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  async get(ref: ResourceRef): Promise<Resource | undefined> {
    return this.#store.get(ref);
  }

  async list(type: ResourceType, namespace: string, labels?: Record<string, string>): Promise<Resource[]> {
    return this.#store.list(type, namespace, labels);
  }

  async watch(type: ResourceType, onEvent: (event: WatchEvent) => void): Promise<() => void> {
    for (const object of this.#store.list(type)) onEvent({ type: 'ADDED', object });
    return this.#store.subscribe((event) => {
      if (event.object.kind === type.kind) onEvent(event);
    });
  }

  async apply(object: Resource, _fieldManager: string): Promise<void> {
    const current = this.#store.get(refOf(object));
    const desired: StoredObject = object.apiVersion === apiVersion ? admitted(object) : object;
    const annotations = { ...current?.metadata.annotations, ...desired.metadata.annotations };
    this.#store.put({
      ...current,
      ...desired,
      ...(current?.status === undefined ? {} : { status: current.status }),
      metadata: { ...current?.metadata, ...desired.metadata, annotations },
    });
  }

  async remove(ref: ResourceRef): Promise<void> {
    markDeleted(this.#store, this.#store.get(ref));
  }

  async patchStatus(ref: ResourceRef, status: object, fieldManager: string): Promise<void> {
    const current = this.#store.get(ref);
    if (current === undefined) return;
    const applied: AppliedBy = JSON.parse(current.metadata.annotations?.[appliedAnnotation] ?? '{}');
    applied[fieldManager] = status;
    const annotations = { ...current.metadata.annotations, [appliedAnnotation]: JSON.stringify(applied) };
    const merged = JSON.parse(JSON.stringify(mergeApplied(applied))) as object;
    this.#store.put({ ...current, status: merged, metadata: { ...current.metadata, annotations } });
  }
}

/** Our kinds pass the same rules that the API server enforces from the CRDs. */
function admitted(object: Resource): StoredObject {
  const result = admit(object);
  if ('problems' in result)
    throw new Error(result.problems.map(({ field, message }) => `${field}: ${message}`).join('; '));
  return result.object as StoredObject;
}

/** Deletion begins with a timestamp; the object goes when its dependents, or its process, are gone. */
export function markDeleted(store: ObjectStore, object: StoredObject | undefined): void {
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
  store.put({ ...object, metadata: { ...object.metadata, deletionTimestamp: new Date().toISOString() } });
}

/** Foreground garbage collection: dependents first, then the owner. Pods are deleted by whoever runs them. */
export function startGarbageCollector(store: ObjectStore): () => void {
  const collect = (object: StoredObject) => {
    if (object.metadata.deletionTimestamp === undefined) return;
    const dependents = store.ownedBy(object.metadata.uid ?? '');
    for (const dependent of dependents) markDeleted(store, dependent);
    if (object.kind !== 'Pod' && store.ownedBy(object.metadata.uid ?? '').length === 0)
      store.delete(refOf(object));
  };
  const owners = (object: StoredObject) =>
    (object.metadata.ownerReferences ?? []).flatMap(({ apiVersion, kind, name }) => {
      const owner = store.get({ apiVersion, kind, name, namespace: object.metadata.namespace });
      return owner === undefined ? [] : [owner];
    });
  return store.subscribe(({ type, object }) => {
    if (type === 'DELETED') for (const owner of owners(object)) collect(owner);
    else collect(object);
  });
}
