/** Runs every Pod object of the store as a process and writes what becomes of it into its status. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { podEnv } from '@longpo/api';
import { pods as podType, refOf } from '@longpo/controller';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { type PodResource, podEnvironment, type Substitutions } from './pod-env.ts';
import { type PodProcess, startPodProcess } from './pod-process.ts';
import {
  failedByLostNode,
  runningStatus,
  terminatedStatus,
  waitingStatus,
  withReadiness,
} from './pod-status.ts';
import { watchReadiness } from './readiness.ts';

export interface PodExecutorOptions {
  store: ObjectStore;
  /** Pods' folders (termination logs) and log files go below it. */
  stateFolder: string;
  machine: Omit<Substitutions, 'podFolder'>;
  /** How long a pod may take to end, at most; its own grace period when shorter. */
  maxGraceMs: number;
  restartDelayMs(restarts: number): number;
}

interface RunningPod {
  process: PodProcess | undefined;
  stopping: boolean;
  endReadiness: () => void;
}

export class PodExecutor {
  readonly #options: PodExecutorOptions;
  readonly #running = new Map<string, RunningPod>();
  #unsubscribe = () => {};
  #stopped = false;

  constructor(options: PodExecutorOptions) {
    this.#options = options;
    mkdirSync(join(options.stateFolder, 'logs'), { recursive: true });
  }

  /** Pods that ran when the last `longpo run` ended died with it, as on a node that was lost. */
  start(): void {
    const { store } = this.#options;
    for (const object of store.list(podType)) {
      const pod = object as PodResource;
      const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
      if (object.metadata.deletionTimestamp !== undefined || (!ended && pod.spec?.restartPolicy === 'Always'))
        store.delete(refOf(object));
      else if (!ended) store.put({ ...object, status: failedByLostNode(new Date()) });
    }
    this.#unsubscribe = store.subscribe(({ type, object }) => {
      if (object.kind !== podType.kind || type === 'DELETED') return;
      if (object.metadata.deletionTimestamp !== undefined) void this.#remove(object);
      else if (object.status === undefined) void this.#run(object as PodResource, 0);
    });
  }

  /** Ends every process; their last status is written, so the next start knows how they ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    await Promise.all([...this.#running.values()].map((running) => this.#end(running, graceMs)));
  }

  /** Kills at once, for a second Ctrl-C. */
  kill(): void {
    for (const { process } of this.#running.values()) void process?.stop(0);
  }

  async #run(pod: PodResource, restarts: number): Promise<void> {
    const name = pod.metadata.name;
    const { machine, stateFolder } = this.#options;
    const running: RunningPod = { process: undefined, stopping: false, endReadiness: () => {} };
    this.#running.set(name, running);
    this.#setStatus(name, waitingStatus(this.#pod(name) ?? pod, restarts));
    const podFolder = join(stateFolder, 'pods', name);
    rmSync(podFolder, { recursive: true, force: true });
    mkdirSync(podFolder, { recursive: true });
    const env = await podEnvironment(pod, { ...machine, podFolder });
    if (running.stopping || this.#stopped) return;
    const process = startPodProcess({
      command: pod.spec?.containers[0]?.command ?? [],
      env,
      cwd: podFolder,
      logFile: join(stateFolder, 'logs', `${name}.log`),
    });
    running.process = process;
    this.#setStatus(name, runningStatus(this.#pod(name) ?? pod, restarts, new Date()));
    const probe = pod.spec?.containers[0]?.readinessProbe;
    if (probe !== undefined)
      running.endReadiness = watchReadiness(probe, env[podEnv.listen] ?? '', (ready) =>
        this.#setReady(name, ready),
      );
    const exitCode = await process.exited;
    running.endReadiness();
    await this.#ended(pod, running, restarts, exitCode, readMessage(podFolder));
  }

  async #ended(
    pod: PodResource,
    running: RunningPod,
    restarts: number,
    exitCode: number,
    message: string,
  ): Promise<void> {
    const name = pod.metadata.name;
    const { restartDelayMs } = this.#options;
    this.#setStatus(name, terminatedStatus(pod, restarts, exitCode, message, new Date()));
    if (pod.spec?.restartPolicy !== 'Always' || running.stopping || this.#stopped) {
      this.#running.delete(name);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, restartDelayMs(restarts)));
    if (!running.stopping && !this.#stopped) await this.#run(pod, restarts + 1);
  }

  async #remove(object: StoredObject): Promise<void> {
    const running = this.#running.get(object.metadata.name);
    if (running?.stopping) return;
    const grace = ((object as PodResource).spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    if (running) await this.#end(running, Math.min(grace, this.#options.maxGraceMs));
    this.#running.delete(object.metadata.name);
    this.#options.store.delete(refOf(object));
  }

  async #end(running: RunningPod, graceMs: number): Promise<void> {
    running.stopping = true;
    running.endReadiness();
    await running.process?.stop(graceMs);
  }

  #setReady(name: string, ready: boolean): void {
    const pod = this.#pod(name);
    if (pod?.status) this.#setStatus(name, withReadiness(pod.status, ready));
  }

  #setStatus(name: string, status: object): void {
    const pod = this.#pod(name);
    if (pod) this.#options.store.put({ ...pod, status });
  }

  #pod(name: string): (PodResource & StoredObject) | undefined {
    const found = this.#options.store.list(podType).find(({ metadata }) => metadata.name === name);
    return found as (PodResource & StoredObject) | undefined;
  }
}

function readMessage(podFolder: string): string {
  try {
    return readFileSync(join(podFolder, 'termination-log'), 'utf8');
  } catch {
    return ''; // a process that was killed leaves none
  }
}
