/** One appointment per key, the earliest that was asked for. */

/** What setTimeout can hold; it fires at once for more. A key that comes back too early only looks once more. */
const longestMs = 2 ** 31 - 1;

interface Appointment {
  atMs: number;
  timer: NodeJS.Timeout;
}

export class KeyTimers {
  readonly #onDue: (key: string) => void;
  readonly #appointments = new Map<string, Appointment>();

  constructor(onDue: (key: string) => void) {
    this.#onDue = onDue;
  }

  set(key: string, delayMs: number): void {
    const delay = Math.min(Math.max(delayMs, 0), longestMs);
    const atMs = performance.now() + delay;
    const held = this.#appointments.get(key);
    if (held !== undefined && held.atMs <= atMs) return;
    clearTimeout(held?.timer);
    const timer = setTimeout(() => {
      this.#appointments.delete(key);
      this.#onDue(key);
    }, delay);
    this.#appointments.set(key, { atMs, timer });
  }

  clear(): void {
    for (const { timer } of this.#appointments.values()) clearTimeout(timer);
    this.#appointments.clear();
  }
}
