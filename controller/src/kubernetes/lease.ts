/**
 * One leader among the replicas, by a Lease (coordination.k8s.io/v1) that is written with its resource version.
 *
 * No clock is compared with another machine's: a lease is old when this process has seen it unchanged for its whole
 * duration. A lease does not fence: a process that stood still may wake up and think that it leads, so `isLeader` asks
 * the clock, and writes must stay safe by names and preconditions all the same.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceRef } from '../cluster.ts';
import { isAlreadyExists, isConflict, isNotFound } from './api-error.ts';
import { microTime } from './micro-time.ts';
import { collectionPath, objectPath } from './resource-paths.ts';
import type { CallOptions, Transport } from './transport.ts';

export interface LeaseOptions {
  /** An own transport, so that no burst of other calls delays a renewal. */
  transport: Pick<Transport, 'call'>;
  namespace: string;
  name: string;
  /** Unlike that of any other process, also of an earlier one in the same pod. */
  identity: string;
  /** Called at most once, and not after `stop`: another replica may lead now, so the process should exit at once. */
  onLost(): void;
  /** Told of attempts that failed; another leader is no failure. */
  onError?(error: unknown): void;
  /** How long others wait after they saw the last renewal. */
  durationMs?: number;
  /** A leader that could not renew for this long has lost. */
  renewDeadlineMs?: number;
  retryMs?: number;
  /** Monotonic, in ms. */
  now?(): number;
}

interface Lease {
  metadata: { resourceVersion?: string };
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

const defaults: Required<
  Pick<LeaseOptions, 'durationMs' | 'renewDeadlineMs' | 'retryMs' | 'now' | 'onError'>
> = {
  durationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryMs: 2_000,
  now: () => performance.now(),
  onError: () => undefined,
};

export class LeaderElection {
  readonly #options: LeaseOptions & typeof defaults;
  readonly #ref: ResourceRef;
  readonly #acquired = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #lease: Lease | undefined;
  /** When this process first saw the lease as it is. */
  #seenAt = 0;
  #seenVersion: string | undefined;
  /** When the last renewal that succeeded was sent; undefined while another leads. */
  #renewedAt: number | undefined;
  #hasLost = false;

  constructor(options: LeaseOptions) {
    this.#options = { ...defaults, ...options };
    const { namespace, name } = options;
    this.#ref = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name };
    this.#acquired.promise.catch(() => undefined);
  }

  /** Resolves when this process leads; fails when it was stopped before. */
  start(): Promise<void> {
    if (this.#running !== undefined) return Promise.reject(new Error('an election can be started once'));
    this.#running = this.#run();
    return this.#acquired.promise;
  }

  /** Ask before each write: false as soon as the deadline has passed, even while the event loop stands still. */
  get isLeader(): boolean {
    const { now, renewDeadlineMs } = this.#options;
    return !this.#hasLost && this.#renewedAt !== undefined && now() - this.#renewedAt < renewDeadlineMs;
  }

  /** Who leads, as last seen. */
  get holder(): string | undefined {
    return this.#lease?.spec?.holderIdentity || undefined;
  }

  /** Gives the lease back, so that another replica can take it at once. Stop the work that needs it first. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#acquired.reject(new Error('the election was stopped'));
    await this.#running;
    if (!this.isLeader) return;
    this.#hasLost = true;
    await this.#write({ ...this.#lease?.spec, holderIdentity: '', leaseDurationSeconds: 1 }).catch((error) =>
      this.#options.onError(error),
    );
  }

  async #run(): Promise<void> {
    const { retryMs, onLost } = this.#options;
    const signal = this.#stopping.signal;
    while (!signal.aborted) {
      await this.#attempt();
      if (this.#renewedAt !== undefined && !signal.aborted) {
        if (!this.isLeader) {
          this.#hasLost = true;
          onLost();
          return;
        }
        this.#acquired.resolve();
      }
      // Not all at once, or the replicas would keep colliding on a free lease.
      await sleep(retryMs * (1 + Math.random() * 0.2), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Acquires or renews where that is ours to do. */
  async #attempt(): Promise<void> {
    const sentAt = this.#options.now();
    try {
      // A leader knows the lease: it was the last to write it.
      if (this.#renewedAt === undefined || this.#lease === undefined) await this.#read();
      if (!this.#mayTake()) {
        if (this.#renewedAt !== undefined) this.#hasLost = true;
        return;
      }
      await this.#write(this.#nextSpec());
      this.#renewedAt = sentAt;
    } catch (error) {
      this.#lease = undefined; // whatever happened, it has to be read again
      if (!isConflict(error) && !isAlreadyExists(error)) this.#options.onError(error);
    }
  }

  #mayTake(): boolean {
    const { identity, durationMs, now } = this.#options;
    const { holderIdentity = '', leaseDurationSeconds } = this.#lease?.spec ?? {};
    if (holderIdentity === '' || holderIdentity === identity) return true;
    const lasts = leaseDurationSeconds === undefined ? durationMs : leaseDurationSeconds * 1000;
    return this.#renewedAt === undefined && now() - this.#seenAt >= lasts;
  }

  #nextSpec(): NonNullable<Lease['spec']> {
    const { identity, durationMs } = this.#options;
    const spec = this.#lease?.spec ?? {};
    const time = microTime(new Date());
    const isOurs = spec.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: isOurs && spec.acquireTime ? spec.acquireTime : time,
      renewTime: time,
      leaseTransitions: (spec.leaseTransitions ?? -1) + (isOurs ? 0 : 1),
    };
  }

  async #read(): Promise<void> {
    try {
      this.#see((await this.#call('GET', objectPath(this.#ref))) as Lease);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#lease = undefined;
    }
  }

  async #write(spec: NonNullable<Lease['spec']>): Promise<void> {
    const { apiVersion, kind, namespace, name } = this.#ref;
    const metadata = { ...this.#lease?.metadata, namespace, name };
    // Labels and annotations stay: Helm knows by them that the Lease is its own to remove.
    const body = { apiVersion, kind, metadata, spec };
    const written =
      metadata.resourceVersion === undefined
        ? await this.#call('POST', collectionPath(this.#ref, namespace), { body })
        : await this.#call('PUT', objectPath(this.#ref), { body });
    this.#see(written as Lease);
  }

  #see(lease: Lease): void {
    if (lease.metadata.resourceVersion !== this.#seenVersion) this.#seenAt = this.#options.now();
    this.#seenVersion = lease.metadata.resourceVersion;
    this.#lease = lease;
  }

  /** No call outlives the deadline, retries and waits included. */
  #call(method: 'GET' | 'POST' | 'PUT', path: string, options: CallOptions = {}): Promise<unknown> {
    const { now, renewDeadlineMs } = this.#options;
    const left = this.#renewedAt === undefined ? renewDeadlineMs : this.#renewedAt + renewDeadlineMs - now();
    return this.#options.transport.call(method, path, {
      ...options,
      signal: AbortSignal.timeout(Math.max(0, Math.ceil(left))),
    });
  }
}
