/** Runs every Pod object of the store and writes what becomes of it into its status. */
import { pods as podType, refOf } from '@longpo/controller';
import { graceMsOf, lostStatus, PodLife, type PodResource, type Runtime, type Timing } from '../pod/index.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';

export interface PodExecutorOptions {
  store: ObjectStore;
  runtime: Runtime;
  timing: Timing;
  /** How long a pod may take to end, at most; its own grace period when shorter. */
  maxGraceMs: number;
}

export class PodExecutor {
  readonly #options: PodExecutorOptions;
  readonly #lives = new Map<string, PodLife>();
  #unsubscribe = () => {};

  constructor(options: PodExecutorOptions) {
    this.#options = options;
  }

  /** Pods that ran when the last `longpo run` ended died with it, as on a node that was lost. */
  start(): void {
    const { store } = this.#options;
    for (const object of store.list(podType)) {
      const pod = object as PodResource;
      const hasEnded = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
      // A Deployment's pod is replaced, not kept as a record of how it ended.
      if (object.metadata.deletionTimestamp !== undefined || pod.spec?.restartPolicy === 'Always')
        store.delete(refOf(object));
      else if (!hasEnded)
        store.put({ ...object, status: lostStatus('the local cluster ended while the pod ran', new Date()) });
    }
    this.#unsubscribe = store.subscribe(({ type, object }) => {
      if (object.kind !== podType.kind || type === 'DELETED') return;
      if (object.metadata.deletionTimestamp !== undefined) void this.#remove(object);
      else if (object.status === undefined) this.#run(object);
    });
  }

  /** Ends every process; their last status is written, so the next start knows how they ended. */
  async stop(graceMs: number): Promise<void> {
    this.#unsubscribe();
    await Promise.all([...this.#lives.values()].map((life) => life.stop(graceMs)));
  }

  /** Kills at once, for a second Ctrl-C. */
  kill(): void {
    for (const life of this.#lives.values()) void life.stop(0);
  }

  #run(object: StoredObject): void {
    const { store, runtime, timing } = this.#options;
    const uid = object.metadata.uid ?? '';
    if (this.#lives.has(uid)) return;
    const life = new PodLife({
      pod: object as PodResource,
      runtime,
      timing,
      report: async (status) => {
        const current = store.get(refOf(object));
        if (current?.metadata.uid === uid) store.put({ ...current, status });
      },
    });
    this.#lives.set(uid, life);
    void life.ended.then(() => this.#lives.delete(uid));
  }

  async #remove(object: StoredObject): Promise<void> {
    const grace = Math.min(graceMsOf(object as PodResource), this.#options.maxGraceMs);
    const life = this.#lives.get(object.metadata.uid ?? '');
    if (life?.isStopping) return;
    await life?.stop(grace);
    this.#options.store.delete(refOf(object));
  }
}
