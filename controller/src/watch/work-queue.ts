/**
 * Keys waiting to be reconciled, with the rules of client-go's work queue: a key is never in two workers, one that
 * changes while it is worked on is worked on once more, and a failing one comes back later each time.
 */
import { TokenBucket } from '../kubernetes/token-bucket.ts';
import { KeyTimers } from './key-timers.ts';

export interface WorkQueueOptions {
  /** The result's appointment is kept unless an earlier one or a change comes first. */
  work(key: string): Promise<{ requeueAfterSeconds?: number } | undefined>;
  onError(key: string, error: unknown): void;
  /** Keys in work at once. */
  concurrency?: number;
  /** Delay after the first failure of a key; it doubles with each further one. */
  baseDelayMs?: number;
  maxDelayMs?: number;
  /** Retries of all keys together, so that a storm of failures does not become a storm of calls. */
  retriesPerSecond?: number;
  retryBurst?: number;
  observer?: QueueObserver;
  /** No work before `release`: what is added meanwhile waits. */
  held?: boolean;
  /** Of the jitter: 0 to 1. */
  random?(): number;
}

/** For metrics. */
export interface QueueObserver {
  /** A worker took the key, so long after it was added. */
  onTaken?(waitedMs: number): void;
  onDone?(result: 'success' | 'error', durationMs: number): void;
  onRetry?(): void;
}

const defaults = {
  concurrency: 4,
  baseDelayMs: 50,
  maxDelayMs: 30_000,
  retriesPerSecond: 10,
  retryBurst: 100,
  observer: {},
  held: false,
  random: Math.random,
};
/** Added to a delay, as a share of it: keys that failed together do not come back together. */
const jitterShare = 0.2;

interface Run {
  startedMs: number;
  end: Promise<void>;
}

export class WorkQueue {
  readonly #options: Required<WorkQueueOptions>;
  /** Keys by the time at which they were added. Changes are worked on before what only became due again. */
  readonly #changed = new Map<string, number>();
  readonly #due = new Map<string, number>();
  readonly #running = new Map<string, Run>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new KeyTimers((key) => this.#enqueue(key, this.#due));
  readonly #retries: TokenBucket;
  #stopped = false;
  #held: boolean;

  constructor(options: WorkQueueOptions) {
    this.#options = { ...defaults, ...options };
    this.#held = this.#options.held;
    this.#retries = new TokenBucket(this.#options.retriesPerSecond, this.#options.retryBurst);
  }

  /** Something about the key has changed: as soon as a worker is free. */
  add(key: string): void {
    this.#enqueue(key, this.#changed);
  }

  /** Of several appointments of a key the earliest is kept. */
  addAfter(key: string, delayMs: number): void {
    if (!this.#stopped) this.#timers.set(key, delayMs);
  }

  release(): void {
    this.#held = false;
    this.#fill();
  }

  /** Keys that wait for a worker; those that wait for their time are not among them. */
  get depth(): number {
    return new Set([...this.#changed.keys(), ...this.#due.keys()]).size;
  }

  /** How long the work that has run longest has been running; 0 when nothing runs. */
  get longestRunningMs(): number {
    const [oldest] = this.#running.values(); // in the order in which they started
    return oldest === undefined ? 0 : performance.now() - oldest.startedMs;
  }

  /** Takes no new work and resolves when what is running has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timers.clear();
    this.#changed.clear();
    this.#due.clear();
    await Promise.all([...this.#running.values()].map(({ end }) => end));
  }

  #enqueue(key: string, lane: Map<string, number>): void {
    if (this.#stopped) return;
    if (!lane.has(key)) lane.set(key, performance.now());
    this.#fill();
  }

  #fill(): void {
    if (this.#held) return;
    for (const lane of [this.#changed, this.#due])
      for (const key of lane.keys()) {
        if (this.#running.size >= this.#options.concurrency) return;
        if (!this.#running.has(key)) this.#take(key);
      }
  }

  #take(key: string): void {
    const startedMs = performance.now();
    const addedMs = Math.min(this.#changed.get(key) ?? startedMs, this.#due.get(key) ?? startedMs);
    this.#changed.delete(key);
    this.#due.delete(key);
    this.#options.observer.onTaken?.(startedMs - addedMs);
    // Not before this turn has ended: work that writes at once would otherwise meet itself through its own events.
    const end = Promise.resolve()
      .then(() => this.#run(key, startedMs))
      .finally(() => {
        this.#running.delete(key);
        this.#fill();
      });
    this.#running.set(key, { startedMs, end });
  }

  async #run(key: string, startedMs: number): Promise<void> {
    const { work, onError, observer } = this.#options;
    try {
      const result = await work(key);
      this.#failures.delete(key);
      observer.onDone?.('success', performance.now() - startedMs);
      if (result?.requeueAfterSeconds !== undefined) this.addAfter(key, result.requeueAfterSeconds * 1000);
    } catch (error) {
      observer.onDone?.('error', performance.now() - startedMs);
      onError(key, error);
      this.#retry(key);
    }
  }

  #retry(key: string): void {
    if (this.#stopped) return;
    const { baseDelayMs, maxDelayMs, random, observer } = this.#options;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const own = Math.min(baseDelayMs * 2 ** (failures - 1), maxDelayMs) * (1 + jitterShare * random());
    observer.onRetry?.();
    this.addAfter(key, Math.max(own, this.#retries.reserve()));
  }
}
