/** The Cluster interface of the controller over the object store: apply, foreground deletion, status by manager. */

import { apiVersion, type LongPOTraining } from '@longpo/api';
import {
  type Cluster,
  ClusterError,
  type EventRecord,
  mergePatch,
  type Preconditions,
  type Reader,
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
  /** There is no cache: every read is of the objects as they are. */
  readonly live: Reader = this;
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

  async create(object: Resource, fieldManager: string): Promise<void> {
    const { kind, name } = refOf(object);
    if (this.#store.get(refOf(object)))
      throw new ClusterError('AlreadyExists', `${kind}/${name} already exists`);
    await this.apply(object, fieldManager);
  }

  async apply(object: Resource, _fieldManager: string): Promise<void> {
    const current = this.#store.get(refOf(object));
    const desired: StoredObject = object.apiVersion === apiVersion ? admitted(object, current) : object;
    const annotations = { ...current?.metadata.annotations, ...desired.metadata.annotations };
    this.#store.put({
      ...current,
      ...desired,
      ...(current?.status === undefined ? {} : { status: current.status }),
      metadata: { ...current?.metadata, ...desired.metadata, annotations },
    });
  }

  async merge(ref: ResourceRef, patch: object, preconditions?: Preconditions): Promise<void> {
    const current = this.#store.get(ref);
    if (current === undefined) return;
    check(current, preconditions);
    this.#store.put(mergePatch(current, patch) as StoredObject);
  }

  async remove(ref: ResourceRef, preconditions?: Preconditions): Promise<void> {
    const current = this.#store.get(ref);
    if (current) check(current, preconditions);
    markDeleted(this.#store, current);
  }

  /** `longpo status` and the live lines tell what events would. */
  async record(_about: Resource, _event: EventRecord): Promise<void> {}

  async patchStatus(
    ref: ResourceRef,
    status: object,
    fieldManager: string,
    preconditions?: Preconditions,
  ): Promise<void> {
    const current = this.#store.get(ref);
    if (current === undefined) return;
    check(current, preconditions);
    const applied: AppliedBy = JSON.parse(current.metadata.annotations?.[appliedAnnotation] ?? '{}');
    applied[fieldManager] = status;
    const annotations = { ...current.metadata.annotations, [appliedAnnotation]: JSON.stringify(applied) };
    const merged = JSON.parse(JSON.stringify(mergeApplied(applied))) as object;
    this.#store.put({ ...current, status: merged, metadata: { ...current.metadata, annotations } });
  }
}

function check({ kind, metadata }: StoredObject, { uid, resourceVersion }: Preconditions = {}): void {
  const isSame =
    (uid === undefined || uid === metadata.uid) &&
    (resourceVersion === undefined || resourceVersion === metadata.resourceVersion);
  if (!isSame) throw new ClusterError('Conflict', `${kind}/${metadata.name} has changed`);
}

/** Our kinds pass the same rules that the API server enforces from the CRDs. */
function admitted(object: Resource, current: StoredObject | undefined): StoredObject {
  const result = admit(object, current as unknown as LongPOTraining | undefined);
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
