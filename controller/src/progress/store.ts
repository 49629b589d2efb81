/**
 * Last progress report of each stage, coalesced into one status write per training and period. The progress
 * endpoint is a writer of its own: it touches only the progress fields, under its own field manager.
 */
import type { LongPOTrainingStatus, ProgressReport } from '@longpo/api';
import { type Cluster, fieldManagers, type ResourceRef } from '../cluster.ts';
import type { Logger } from '../logger.ts';

export interface ProgressStoreOptions {
  cluster: Cluster;
  logger: Logger;
  periodMs: number;
}

interface Entry {
  ref: ResourceRef;
  reports: Map<string, ProgressReport>;
  timer: NodeJS.Timeout | undefined;
}

export class ProgressStore {
  readonly #options: ProgressStoreOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ProgressStoreOptions) {
    this.#options = options;
  }

  /** An older report than the one held (a late request) changes nothing. */
  record(ref: ResourceRef, report: ProgressReport): void {
    const key = `${ref.namespace}/${ref.name}`;
    const entry = this.#entries.get(key) ?? { ref, reports: new Map(), timer: undefined };
    this.#entries.set(key, entry);
    const held = entry.reports.get(report.stage);
    if (held !== undefined && Date.parse(held.reportedAt) > Date.parse(report.reportedAt)) return;
    entry.reports.set(report.stage, report);
    entry.timer ??= setTimeout(() => void this.#write(entry), this.#options.periodMs);
  }

  forget(ref: ResourceRef): void {
    const key = `${ref.namespace}/${ref.name}`;
    clearTimeout(this.#entries.get(key)?.timer);
    this.#entries.delete(key);
  }

  /** Writes what is still held back. */
  async flush(): Promise<void> {
    await Promise.all(
      [...this.#entries.values()]
        .filter(({ timer }) => timer !== undefined)
        .map((entry) => this.#write(entry)),
    );
  }

  /** Only of stages that the reconciler has written: an entry of progress alone would be no valid stage. */
  async #statusOf({ ref, reports }: Entry): Promise<object> {
    const object = (await this.#options.cluster.get(ref)) as { status?: LongPOTrainingStatus } | undefined;
    const fetchProgress = reports.get('');
    const stages = (object?.status?.stages ?? []).flatMap(({ name }) => {
      const progress = reports.get(name);
      return progress === undefined ? [] : [{ name, progress }];
    });
    return { ...(fetchProgress === undefined ? {} : { fetchProgress }), stages };
  }

  async #write(entry: Entry): Promise<void> {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    const { cluster, logger } = this.#options;
    try {
      const status = await this.#statusOf(entry);
      await cluster.patchStatus(entry.ref, status, fieldManagers.progress);
    } catch (error) {
      // The next report writes again; progress is never worth failing for.
      logger.error('progress not written', { name: entry.ref.name, error: String(error) });
    }
  }
}
