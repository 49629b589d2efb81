/** Counts the events of the operator's own watches, by opening the same ones beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConnection } from '../../controller/src/kubernetes/connection.ts';
import { Transport } from '../../controller/src/kubernetes/transport.ts';
import type { ApiCall } from './api-call.ts';

/** What was added to each count; without those that stayed. */
export function countsSince(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Map<string, number> {
  const added = [...after].map(([name, n]): [string, number] => [name, n - (before.get(name) ?? 0)]);
  return new Map(added.filter(([, n]) => n > 0));
}

/** Kinds of which nothing happens are silent for long, and nobody waits for them. */
const watchIdleMs = 3_600_000;
const base = 'http://api';

export class WatchCount {
  /** Events by plural, without bookmarks; those of what was there before are among them. */
  readonly events = new Map<string, number>();
  readonly #ending = new AbortController();
  readonly #api: Transport;

  private constructor(kubeconfig: string) {
    this.#api = new Transport(loadConnection({ kubeconfig }), { watchIdleMs });
  }

  /** `calls`: the operator's, among which its watches are. */
  static async open(kubeconfig: string, calls: readonly ApiCall[]): Promise<WatchCount> {
    const count = new WatchCount(kubeconfig);
    const watches = new Map(
      calls
        .filter(({ verb }) => verb === 'watch')
        .map(({ uri }) => new URL(uri, base))
        .map((url) => [url.pathname, url.searchParams.get('labelSelector') ?? undefined]),
    );
    for (const [path, labelSelector] of watches) void count.#count(path, labelSelector);
    // What is there comes at once; afterwards only what happens.
    await sleep(2000);
    return count;
  }

  close(): void {
    this.#ending.abort();
    this.#api.close();
  }

  async #count(path: string, labelSelector: string | undefined): Promise<void> {
    const plural = path.split('/').at(-1) ?? '';
    try {
      for await (const { type } of this.#api.watch(path, { labelSelector }, this.#ending.signal))
        if (type !== 'BOOKMARK') this.events.set(plural, (this.events.get(plural) ?? 0) + 1);
    } catch (error) {
      if (!this.#ending.signal.aborted) throw error;
    }
  }
}
