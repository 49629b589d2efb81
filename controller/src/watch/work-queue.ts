/**
 * Keys waiting to be reconciled: a key is never in two workers, one that changes while it is worked on is worked on
 * once more, and a failing one comes back later each time (client-go's work queue, in its simplest form).
 */
export interface WorkQueueOptions {
  work(key: string): Promise<{ requeueAfterSeconds?: number } | undefined>;
  onError(key: string, error: unknown): void;
  baseDelayMs?: number;
  maxDelayMs?: number;
}

export class WorkQueue {
  readonly #options: Required<WorkQueueOptions>;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = { baseDelayMs: 50, maxDelayMs: 30_000, ...options };
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    this.#next(key);
  }

  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timers.get(key));
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, delayMs);
    this.#timers.set(key, timer);
  }

  /** Takes no new work and resolves when what is running has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#waiting.clear();
    await Promise.all(this.#running.values());
  }

  #next(key: string): void {
    if (this.#running.has(key) || !this.#waiting.delete(key)) return;
    // Not before this turn has ended: work that writes at once would otherwise meet itself through its own events.
    const run = Promise.resolve()
      .then(() => this.#run(key))
      .finally(() => {
        this.#running.delete(key);
        this.#next(key);
      });
    this.#running.set(key, run);
  }

  async #run(key: string): Promise<void> {
    const { work, onError, baseDelayMs, maxDelayMs } = this.#options;
    try {
      const result = await work(key);
      this.#failures.delete(key);
      if (result?.requeueAfterSeconds !== undefined) this.addAfter(key, result.requeueAfterSeconds * 1000);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      onError(key, error);
      this.addAfter(key, Math.min(baseDelayMs * 2 ** (failures - 1), maxDelayMs));
    }
  }
}
