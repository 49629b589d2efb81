/** The controller's `Cluster` over an API server: reads from watched copies, writes and live reads through the transport. */
import { apiGroup, labels as labelNames, managedByLongpo, type Pod } from '@longpo/api';
import {
  type Cluster,
  type EventRecord,
  fieldManagers,
  type Preconditions,
  pods,
  type Reader,
  type Resource,
  type ResourceRef,
  type ResourceType,
  type WatchEvent,
} from '../cluster.ts';
import { ApiError, asConflict, isConflict, isNotFound } from './api-error.ts';
import { EventRecorder } from './event-recorder.ts';
import { pagedList } from './paged-list.ts';
import type { ReflectorObserver } from './reflector.ts';
import { contentTypes } from './repeatable.ts';
import { collectionPath, objectPath } from './resource-paths.ts';
import { SharedWatch } from './shared-watch.ts';
import type { CallOptions, Transport } from './transport.ts';
import { trimmedPod } from './trimmed-pod.ts';

export interface KubernetesClusterOptions {
  transport: Transport;
  /** Name of this replica, for Events. */
  identity: string;
  /** Only this namespace is watched; all of them when absent. */
  namespace?: string;
  /** Told of failed lists, broken watches, throwing handlers and Events that could not be written. */
  onError?(error: unknown, where: { kind: string }): void;
  /** Gauges of each watched kind. */
  observerOf?(kind: string): ReflectorObserver;
}

/** Others write the same object: a version may be old by the time that it is used. */
const statusAttempts = 5;

export class KubernetesCluster implements Cluster {
  readonly live: Reader;
  readonly #options: KubernetesClusterOptions;
  readonly #transport: Transport;
  readonly #events: EventRecorder;
  readonly #watches = new Map<string, SharedWatch>();

  constructor(options: KubernetesClusterOptions) {
    this.#options = options;
    this.#transport = options.transport;
    this.#events = new EventRecorder({ transport: options.transport, instance: options.identity });
    this.live = {
      get: (ref) => this.#liveGet(ref),
      list: (type, namespace, labels) => this.#liveList(type, namespace, labels),
    };
  }

  /** Of a watched kind, what its watch has seen: of core kinds, only what this controller manages. */
  async get(ref: ResourceRef): Promise<Resource | undefined> {
    const reflector = this.#copyOf(ref);
    return reflector ? reflector.get(ref.namespace, ref.name) : this.live.get(ref);
  }

  async list(
    type: ResourceType,
    namespace: string,
    labels: Record<string, string> = {},
  ): Promise<Resource[]> {
    const reflector = this.#copyOf(type);
    if (reflector === undefined) return this.live.list(type, namespace, labels);
    const wanted = Object.entries(labels);
    return reflector
      .list(namespace)
      .filter(({ metadata }) => wanted.every(([name, value]) => metadata.labels?.[name] === value));
  }

  async watch(type: ResourceType, onEvent: (event: WatchEvent) => void): Promise<() => void> {
    const key = keyOf(type);
    const watch = this.#watches.get(key) ?? this.#openWatch(type);
    this.#watches.set(key, watch);
    const unsubscribe = await watch.subscribe(onEvent);
    return () => {
      unsubscribe();
      if (watch.listeners > 0 || this.#watches.get(key) !== watch) return;
      this.#watches.delete(key);
      watch.reflector.stop();
    };
  }

  async create(object: Resource, fieldManager: string): Promise<void> {
    await this.#transport.call('POST', collectionPath(object, object.metadata.namespace), {
      query: { fieldManager },
      body: object,
    });
  }

  async apply(object: Resource, fieldManager: string): Promise<void> {
    const { apiVersion, kind, metadata } = object;
    await this.#transport.call('PATCH', objectPath({ apiVersion, kind, ...metadata }), {
      query: { fieldManager, force: true },
      contentType: contentTypes.apply,
      body: object,
    });
  }

  async merge(ref: ResourceRef, patch: object, preconditions: Preconditions = {}): Promise<void> {
    const { metadata } = patch as { metadata?: object };
    const body = { ...patch, ...(hasAny(preconditions) && { metadata: { ...metadata, ...preconditions } }) };
    await this.#unlessMissing('PATCH', objectPath(ref), {
      query: { fieldManager: fieldManagers.controller },
      contentType: contentTypes.merge,
      body,
    });
  }

  async remove(ref: ResourceRef, preconditions: Preconditions = {}): Promise<void> {
    await this.#unlessMissing('DELETE', objectPath(ref), {
      body: { propagationPolicy: 'Foreground', ...(hasAny(preconditions) && { preconditions }) },
    });
  }

  async patchStatus(
    ref: ResourceRef,
    status: object,
    fieldManager: string,
    { uid, resourceVersion }: Preconditions = {},
  ): Promise<void> {
    const isGuarded = uid === undefined || resourceVersion !== undefined;
    if (isGuarded) return this.#applyStatus(ref, status, fieldManager, resourceVersion);
    // The status of a custom resource is written whatever uid the body names, but no version is that of two objects.
    const seen = this.#copyOf(ref)?.get(ref.namespace, ref.name);
    let current = seen?.metadata.uid === uid ? seen : await this.live.get(ref);
    for (let attempt = 1; current !== undefined; attempt++) {
      if (current.metadata.uid !== uid)
        throw new ApiError(409, 'Conflict', `${ref.kind} ${ref.namespace}/${ref.name} is another one by now`);
      try {
        return await this.#applyStatus(ref, status, fieldManager, current.metadata.resourceVersion);
      } catch (error) {
        if (!isConflict(error) || attempt >= statusAttempts) throw error;
      }
      current = await this.live.get(ref);
    }
  }

  async record(about: Resource, event: EventRecord): Promise<void> {
    try {
      await this.#events.record(about, event);
    } catch (error) {
      this.#options.onError?.(error, { kind: 'Event' });
    }
  }

  /** Ends every watch. */
  stop(): void {
    for (const { reflector } of this.#watches.values()) reflector.stop();
    this.#watches.clear();
  }

  #copyOf(type: ResourceType) {
    const watch = this.#watches.get(keyOf(type));
    return watch?.isSynced ? watch.reflector : undefined;
  }

  #openWatch(type: ResourceType): SharedWatch {
    const { namespace, onError, observerOf } = this.#options;
    const observer = observerOf?.(type.kind);
    // The children of others are none of our business, nor of our memory.
    const labelSelector = isOurs(type) ? undefined : `${labelNames.managedBy}=${managedByLongpo}`;
    return new SharedWatch({
      transport: this.#transport,
      path: collectionPath(type, namespace),
      query: { labelSelector },
      manager: fieldManagers.controller,
      onError: (error) => onError?.(error, { kind: type.kind }),
      ...(observer && { observer }),
      ...(keyOf(type) === keyOf(pods) && { transform: (pod) => trimmedPod(pod as Pod & Resource) }),
    });
  }

  async #applyStatus(ref: ResourceRef, status: object, fieldManager: string, resourceVersion?: string) {
    const { apiVersion, kind, namespace, name } = ref;
    await this.#unlessMissing('PATCH', objectPath(ref, 'status'), {
      query: { fieldManager, force: true },
      contentType: contentTypes.apply,
      body: { apiVersion, kind, metadata: { name, namespace, resourceVersion }, status },
    });
  }

  async #liveGet(ref: ResourceRef): Promise<Resource | undefined> {
    return (await this.#unlessMissing('GET', objectPath(ref), {})) as Resource | undefined;
  }

  async #liveList(
    type: ResourceType,
    namespace: string,
    labels: Record<string, string> = {},
  ): Promise<Resource[]> {
    const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    const labelSelector = wanted.length > 0 ? wanted.join(',') : undefined;
    const found: Resource[] = [];
    for await (const { items } of pagedList(this.#transport, collectionPath(type, namespace), {
      labelSelector,
    }))
      found.push(...(items as Resource[]));
    return found;
  }

  async #unlessMissing(method: 'GET' | 'PATCH' | 'DELETE', path: string, options: CallOptions) {
    try {
      return await this.#transport.call(method, path, options);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw asConflict(error);
    }
  }
}

const keyOf = ({ apiVersion, kind }: ResourceType) => `${apiVersion}/${kind}`;
const isOurs = ({ apiVersion }: ResourceType) => apiVersion.startsWith(`${apiGroup}/`);
const hasAny = (preconditions: Preconditions) => Object.keys(preconditions).length > 0;
