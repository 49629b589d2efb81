/**
 * Which objects the watches show as they were before our own last write. Events of children often come first; writing
 * again on the old view would only be refused, and the event of our write brings us back.
 */
import type { Resource } from '../cluster.ts';

/** Longer than an event takes. A write that changed nothing has none, so the old view is believed again after it. */
const patienceMs = 1000;

export class RecentWrites {
  readonly #before = new Map<string, { resourceVersion: string; atMs: number }>();

  note({ metadata }: Resource, now: Date): void {
    const { uid = '', resourceVersion = '' } = metadata;
    this.#forgetOld(now);
    // Last again, so that the oldest stay first.
    this.#before.delete(uid);
    this.#before.set(uid, { resourceVersion, atMs: now.getTime() });
  }

  /** What is left to wait for, in seconds; undefined when the view may be written on. */
  waitFor({ metadata }: Resource, now: Date): number | undefined {
    const { uid = '', resourceVersion = '' } = metadata;
    const before = this.#before.get(uid);
    if (before?.resourceVersion !== resourceVersion) return undefined;
    const leftMs = before.atMs + patienceMs - now.getTime();
    return leftMs > 0 ? leftMs / 1000 : undefined;
  }

  forget({ metadata }: Resource): void {
    this.#before.delete(metadata.uid ?? '');
  }

  /** Objects whose writes are waited for; not all that there ever were, for one that is gone is rarely seen going. */
  get size(): number {
    return this.#before.size;
  }

  #forgetOld(now: Date): void {
    for (const [uid, { atMs }] of this.#before) {
      if (now.getTime() - atMs < patienceMs) return;
      this.#before.delete(uid);
    }
  }
}
