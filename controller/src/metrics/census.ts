/** Counts of trainings and servings, kept from watch events; nothing here reads the cluster. */
import {
  conditionTypes,
  isConditionTrue,
  type LongPOServing,
  type LongPOTraining,
  type StageProgress,
} from '@longpo/api';
import type { WatchEvent } from '../cluster.ts';

type Status = NonNullable<LongPOTraining['status']>;

export interface RunningTraining {
  namespace: string;
  training: string;
  stage: string;
  progress: StageProgress;
}

export interface CensusOptions {
  /** A follower only keeps up: what it sees, the leader counts. */
  isLeader(): boolean;
  onGpuSeconds(namespace: string, seconds: number): void;
  onRestarts(namespace: string, count: number): void;
}

interface Known {
  namespace: string;
  name: string;
  uid: string | undefined;
  state: string;
  gpus: number;
  gpuSeconds: number;
  restarts: number;
  running: RunningTraining | undefined;
}

/** Running trainings that are shown by name. */
const maxNamed = 200;

const keyOf = ({ object: { metadata } }: WatchEvent) => `${metadata.namespace}/${metadata.name}`;

export class Census {
  readonly #options: CensusOptions;
  readonly #trainings = new Map<string, Known>();
  readonly #servings = new Map<string, boolean>();
  #isSettled = false;

  constructor(options: CensusOptions) {
    this.#options = options;
  }

  /**
   * The first lists have been told. What they showed was counted by an earlier process: a counter that took it again
   * would look to Prometheus as if it had happened now.
   */
  settle(): void {
    this.#isSettled = true;
  }

  readonly onTraining = (event: WatchEvent): void => {
    const key = keyOf(event);
    const known = this.#trainings.get(key);
    if (event.type === 'DELETED') this.#trainings.delete(key);
    const next = knownOf(event);
    // A training of the same name is another one, which begins at nothing.
    const before = known?.uid === next.uid ? known : undefined;
    if (this.#options.isLeader() && this.#isSettled) this.#count(before, next);
    if (event.type !== 'DELETED') this.#trainings.set(key, next);
  };

  readonly onServing = (event: WatchEvent): void => {
    const { status } = event.object as unknown as Pick<LongPOServing, 'status'>;
    if (event.type === 'DELETED') this.#servings.delete(keyOf(event));
    else this.#servings.set(keyOf(event), isConditionTrue(status, conditionTypes.ready));
  };

  trainingsByState(): Map<string, number> {
    return countBy([...this.#trainings.values()], ({ state }) => state);
  }

  servingsByReady(): Map<string, number> {
    return countBy([...this.#servings.values()], String);
  }

  gpusByNamespace(): Map<string, number> {
    return countBy(
      [...this.#trainings.values()],
      ({ namespace }) => namespace,
      ({ gpus }) => gpus,
    );
  }

  /** The first ones by name, so that the same ones are shown each time. */
  running(): RunningTraining[] {
    return [...this.#trainings]
      .flatMap(([key, { running }]) => (running === undefined ? [] : [{ key, running }]))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, maxNamed)
      .map(({ running }) => running);
  }

  #count(before: Known | undefined, next: Known): void {
    const { onGpuSeconds, onRestarts } = this.#options;
    const gpuSeconds = next.gpuSeconds - (before?.gpuSeconds ?? 0);
    if (gpuSeconds > 0) onGpuSeconds(next.namespace, gpuSeconds);
    // Restarts in the status are those of a window, so they go down as well.
    const restarts = next.restarts - (before?.restarts ?? 0);
    if (restarts > 0) onRestarts(next.namespace, restarts);
  }
}

const isOver = (state: string): boolean => ['Succeeded', 'Failed', 'Suspended'].includes(state);

function knownOf({ object }: WatchEvent): Known {
  const { namespace, name, uid } = object.metadata;
  const { status = {} } = object as unknown as { status?: Status };
  const { state = 'Pending', currentStage, gpus = 0, gpuSeconds = 0, stages = [] } = status;
  const ofFetch = state === 'Fetching' ? status.fetchProgress : undefined;
  const progress = currentStage ? stages.find(({ name: own }) => own === currentStage)?.progress : ofFetch;
  const running =
    progress && !isOver(state)
      ? { namespace, training: name, stage: currentStage ?? '', progress }
      : undefined;
  return {
    namespace,
    name,
    uid,
    state,
    gpus: isOver(state) ? 0 : gpus,
    gpuSeconds,
    restarts: stages.reduce((sum, stage) => sum + (stage.restarts ?? 0), 0),
    running,
  };
}

function countBy<T>(
  items: T[],
  labelOf: (item: T) => string,
  sizeOf: (item: T) => number = () => 1,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(labelOf(item), (counts.get(labelOf(item)) ?? 0) + sizeOf(item));
  return counts;
}
