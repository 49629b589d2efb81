/**
 * A copy of one kind of objects, kept by a list and a watch for ever, and the events that lead from one state of the
 * copy to the next. Whatever breaks, the copy catches up; what was missed meanwhile is told as if it had just happened.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { ManagedFieldsEntry } from '@longpo/api';
import { appliedFields } from '../cluster.ts';
import { isExpired, watchError } from './api-error.ts';
import { type Backoff, jittered } from './backoff.ts';
import { type CacheEvent, ObjectCache } from './object-cache.ts';
import { type Keyed, pagedList } from './paged-list.ts';
import type { Query, Transport } from './transport.ts';

export type ReflectorState = 'LISTING' | 'WATCHING' | 'BACKOFF' | 'STOPPED';

/** For gauges; every method is optional. */
export interface ReflectorObserver {
  onState?(state: ReflectorState): void;
  onRelist?(): void;
  /** A watch was opened, the first one included. */
  onConnect?(): void;
  /** A line of the watch arrived, bookmarks included. */
  onReceived?(): void;
  onSize?(objects: number): void;
}

export interface ReflectorOptions<T extends Keyed> {
  transport: Pick<Transport, 'call' | 'watch'>;
  /** Of the collection, for instance /api/v1/pods. */
  path: string;
  query?: { labelSelector?: string | undefined; fieldSelector?: string | undefined };
  /** Who applies these objects: of the managed fields only those are kept, and nobody's when absent. */
  manager?: string;
  /** What of an object is kept. */
  transform?(object: T): T;
  onEvent(event: CacheEvent<T>): void;
  /** Told of failed lists, broken watches and handlers that throw; none of them ends the reflector. */
  onError?(error: unknown): void;
  observer?: ReflectorObserver;
  pageSize?: number;
  backoff?: Backoff;
  /** A watch that lived this long was a good one. */
  healthyMs?: number;
}

const defaults = { pageSize: 500, backoff: { baseMs: 800, maxMs: 30_000 }, healthyMs: 60_000 };
/** Long lists and floods of events leave room for leases and probes after this many objects. */
const objectsPerTurn = 200;

export class Reflector<T extends Keyed> {
  readonly #options: ReflectorOptions<T> & typeof defaults;
  readonly #cache = new ObjectCache<T>();
  readonly #synced = Promise.withResolvers<void>();
  #state: ReflectorState = 'STOPPED';
  /** Whoever holds an older number, after whatever it awaited, has been stopped. */
  #generation = 0;
  #abort = new AbortController();
  /** Opaque. Undefined means that only a list can help. */
  #resourceVersion: string | undefined;
  #failures = 0;
  #sinceTurn = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = { ...defaults, ...options };
    this.#synced.promise.catch(() => undefined);
  }

  /** Resolves when the first list is in the cache and told. Fails when already started, or stopped before that. */
  start(): Promise<void> {
    if (this.#generation > 0) return Promise.reject(new Error('a reflector can be started once'));
    this.#generation = 1;
    void this.#run(this.#generation);
    return this.#synced.promise;
  }

  stop(): void {
    this.#generation++;
    this.#enter('STOPPED');
    this.#abort.abort();
    this.#synced.reject(new Error('the reflector was stopped before its first list'));
  }

  get state(): ReflectorState {
    return this.#state;
  }

  /** Objects are shared with every reader: do not change them. */
  get(namespace: string | undefined, name: string): T | undefined {
    return this.#cache.get(namespace, name);
  }

  list(namespace?: string): T[] {
    return this.#cache.list(namespace);
  }

  async #run(generation: number): Promise<void> {
    while (this.#isCurrent(generation)) {
      const pauseMs = await this.#round(generation);
      if (pauseMs === 0 || !this.#isCurrent(generation)) continue;
      this.#enter('BACKOFF');
      await sleep(pauseMs, undefined, { signal: this.#abort.signal }).catch(() => undefined);
    }
  }

  /** One watch, after a list where one is needed; resolves with the time to wait before the next. */
  async #round(generation: number): Promise<number> {
    try {
      if (this.#resourceVersion === undefined) await this.#relist(generation);
      if (!this.#isCurrent(generation) || (await this.#follow(generation))) return 0;
    } catch (error) {
      if (isExpired(error)) this.#resourceVersion = undefined;
      else if (this.#isCurrent(generation)) this.#report(error);
    }
    return this.#nextPause();
  }

  /** A list that expires between two pages is thrown away: half a list would look like deletions. */
  async #relist(generation: number): Promise<void> {
    const { transport, path, query = {}, pageSize } = this.#options;
    this.#enter('LISTING');
    this.#options.observer?.onRelist?.();
    const listed: T[] = [];
    let resourceVersion = '';
    for await (const page of pagedList(transport, path, query, { pageSize, signal: this.#abort.signal })) {
      if (!this.#isCurrent(generation)) return;
      for (const item of page.items) listed.push(this.#kept(item));
      resourceVersion = page.resourceVersion;
      await setImmediate();
      if (!this.#isCurrent(generation)) return;
    }
    for (const event of this.#cache.replace(listed)) {
      this.#tell(event);
      await this.#breathe();
      if (!this.#isCurrent(generation)) return;
    }
    this.#resourceVersion = resourceVersion;
    this.#options.observer?.onSize?.(this.#cache.size);
    this.#synced.resolve();
  }

  /** Resolves when the server closes the watch: true when it was a good one, so that the next may follow at once. */
  async #follow(generation: number): Promise<boolean> {
    const { transport, path, query = {}, observer, healthyMs } = this.#options;
    const parameters: Query = {
      ...query,
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: true,
      timeoutSeconds: 300 + Math.floor(Math.random() * 301), // all clients of a server must not return at once
    };
    this.#enter('WATCHING');
    observer?.onConnect?.();
    const start = performance.now();
    const isHealthy = () => performance.now() - start >= healthyMs;
    try {
      for await (const line of transport.watch(path, parameters, this.#abort.signal)) {
        if (!this.#isCurrent(generation)) return false;
        if (line.type === 'ERROR') throw watchError(line.object);
        this.#failures = 0;
        observer?.onReceived?.();
        if (line.type !== 'BOOKMARK') this.#apply(line.type, line.object as T);
        this.#resourceVersion = (line.object as T).metadata.resourceVersion ?? this.#resourceVersion;
        await this.#breathe();
        if (!this.#isCurrent(generation)) return false;
      }
    } finally {
      if (isHealthy()) this.#failures = 0;
    }
    return isHealthy();
  }

  #apply(type: CacheEvent<T>['type'], object: T): void {
    const kept = this.#kept(object);
    const events = type === 'DELETED' ? this.#cache.remove(kept) : this.#cache.put(kept);
    for (const event of events) this.#tell(event);
    this.#options.observer?.onSize?.(this.#cache.size);
  }

  /** Managed fields are a third of an object. */
  #kept(object: Keyed): T {
    const { manager, transform } = this.#options;
    const { managedFields, ...metadata } = object.metadata as Keyed['metadata'] & {
      managedFields?: ManagedFieldsEntry[];
    };
    const own = manager && managedFields && { managedFields: appliedFields(managedFields, manager) };
    const kept = { ...object, metadata: { ...metadata, ...own } } as T;
    return transform?.(kept) ?? kept;
  }

  #tell(event: CacheEvent<T>): void {
    try {
      this.#options.onEvent(event);
    } catch (error) {
      this.#report(error);
    }
  }

  async #breathe(): Promise<void> {
    this.#sinceTurn = (this.#sinceTurn + 1) % objectsPerTurn;
    if (this.#sinceTurn === 0) await setImmediate();
  }

  #nextPause(): number {
    this.#failures++;
    return jittered(this.#options.backoff, this.#failures);
  }

  #isCurrent(generation: number): boolean {
    return this.#generation === generation;
  }

  #enter(state: ReflectorState): void {
    this.#state = state;
    this.#options.observer?.onState?.(state);
  }

  #report(error: unknown): void {
    this.#options.onError?.(error);
  }
}
