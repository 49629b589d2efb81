/**
 * Last progress report of each stage, coalesced into one status write per training and period. The progress
 * endpoint is a writer of its own: it touches only the progress fields, under its own field manager. Every replica has
 * a store, and the status is what they share: a write counts only if nobody wrote since its store last looked.
 */
import type { LongPOTrainingStatus, ProgressReport } from '@longpo/api';
import { type Cluster, fieldManagers, isReason, type Resource, type ResourceRef } from '../cluster.ts';
import type { Logger } from '../logger.ts';
import { isOlder, progressFields, type Received, receive } from './newest.ts';

export interface ProgressStoreOptions {
  cluster: Pick<Cluster, 'get' | 'live' | 'patchStatus'>;
  logger: Logger;
  periodMs: number;
  now?(): Date;
}

interface Entry {
  ref: ResourceRef;
  /** What is not in the status yet, by stage; '' is fetch. */
  received: Map<string, Received>;
  timer: NodeJS.Timeout | undefined;
  /** Writes after which a report was left over, since its stage is not in the status. */
  misses: number;
}

/** Above the 16 stages of a training: a report may name a stage that there is not. */
const maxStages = 32;
/** A stage's first report may come before the reconciler's write about the stage; not this often. */
const maxMisses = 3;
const maxConflicts = 5;

export class ProgressStore {
  readonly #options: Required<ProgressStoreOptions>;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ProgressStoreOptions) {
    this.#options = { now: () => new Date(), ...options };
  }

  /** False when a newer report is held already (this one came late) and nothing has changed. */
  record(ref: ResourceRef, report: ProgressReport): boolean {
    const key = `${ref.namespace}/${ref.name}`;
    const entry = this.#entries.get(key) ?? { ref, received: new Map(), timer: undefined, misses: 0 };
    const held = entry.received.get(report.stage);
    if (held !== undefined && isOlder(report, held.report)) return false;
    if (held === undefined && entry.received.size >= maxStages) return false;
    entry.received.set(report.stage, receive(held, report, this.#options.now()));
    entry.misses = 0;
    this.#entries.set(key, entry);
    this.#arm(entry);
    return true;
  }

  forget(ref: ResourceRef): void {
    const key = `${ref.namespace}/${ref.name}`;
    clearTimeout(this.#entries.get(key)?.timer);
    this.#entries.delete(key);
  }

  /** Writes what is still held back. */
  async flush(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => this.#write(entry)));
  }

  /** Progress alone must not keep a process alive: `flush` is for its end. */
  #arm(entry: Entry): void {
    entry.timer ??= setTimeout(() => void this.#write(entry), this.#options.periodMs).unref();
  }

  async #write(entry: Entry): Promise<void> {
    clearTimeout(entry.timer);
    entry.timer = undefined;
    const batch = new Map(entry.received);
    try {
      const stages = await this.#patch(entry.ref, batch);
      if (stages === undefined) this.forget(entry.ref);
      else this.#settle(entry, batch, stages);
    } catch (error) {
      const { namespace, name } = entry.ref;
      const values = { kind: entry.ref.kind, namespace, name, error: String(error) };
      this.#options.logger.error('progress not written', values);
      if (this.#isCurrent(entry)) this.#arm(entry);
    }
  }

  /** What is in the status is not held any more; a report that came meanwhile has a timer of its own. */
  #settle(entry: Entry, batch: Map<string, Received>, stages: Set<string>): void {
    entry.misses++;
    for (const [stage, received] of batch)
      if (entry.received.get(stage) === received && (stages.has(stage) || entry.misses >= maxMisses))
        entry.received.delete(stage);
    if (!this.#isCurrent(entry)) return;
    if (entry.received.size === 0) this.forget(entry.ref);
    else this.#arm(entry);
  }

  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(`${entry.ref.namespace}/${entry.ref.name}`) === entry;
  }

  /** The stages that the status has, '' included, once nothing received is newer; undefined when the training is gone. */
  async #patch(ref: ResourceRef, received: Map<string, Received>): Promise<Set<string> | undefined> {
    const { cluster } = this.#options;
    let reader: Pick<Cluster, 'get'> = cluster;
    for (let conflicts = 0; ; conflicts++) {
      const object = (await reader.get(ref)) as (Resource & { status?: LongPOTrainingStatus }) | undefined;
      if (object === undefined) return undefined;
      const { status, metadata } = object;
      const fields = progressFields(status, received);
      const stages = new Set(['', ...(status?.stages ?? []).map(({ name }) => name)]);
      if (fields === undefined) return stages;
      const { resourceVersion } = metadata;
      try {
        await cluster.patchStatus(
          ref,
          fields,
          fieldManagers.progress,
          resourceVersion === undefined ? {} : { resourceVersion },
        );
        return stages;
      } catch (error) {
        if (!isReason(error, 'Conflict') || conflicts >= maxConflicts) throw error;
        reader = cluster.live; // the copy was old, or another writer came first
      }
    }
  }
}
