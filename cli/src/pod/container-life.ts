/** One container from its first start to its last end: restarts with back-off, probes, hooks and signals. */
import type { Container } from '@longpo/api';
import {
  type ContainerRecord,
  newRecord,
  type Terminated,
  terminationMessage,
  timestamp,
} from './container-record.ts';
import { perform } from './probe-action.ts';
import { startProbes } from './probes.ts';
import { ContainerConfigError, type ContainerProcess, type PodResource, type Runtime } from './runtime.ts';
import { pause, type Timing } from './timing.ts';

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

/** What a container asks of its pod. */
export interface ContainerHost {
  pod(): PodResource;
  runtime: Runtime;
  timing: Timing;
  /** The record says something else now. */
  changed(): void;
  warn(reason: string, message: string): void;
}

const forgetFailuresAfterMs = 600_000;
/** A kubelet leaves this much for SIGTERM, however long the preStop hook took. */
const leastGraceMs = 2000;

export const graceMsOf = (pod: PodResource): number => (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;

export class ContainerLife {
  readonly record: ContainerRecord;
  process: ContainerProcess | undefined;
  readonly #host: ContainerHost;
  readonly #ending = new AbortController();
  readonly #started = Promise.withResolvers<void>();
  #graceMs = 0;
  #failures = 0;
  #hasRunHook = false;

  constructor(spec: Container, host: ContainerHost, waitingReason: string) {
    this.record = newRecord(spec, waitingReason);
    this.#host = host;
  }

  /** Resolves once the container has passed its startup probe, or will not run any more. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Runs until the policy or `stop` ends it. Gives the last exit code; undefined if it never ran. */
  async run(policy: RestartPolicy): Promise<number | undefined> {
    const { timing } = this.#host;
    const isLast = (code: number) => policy === 'Never' || (policy === 'OnFailure' && code === 0);
    for (let isFirst = true; !this.#ending.signal.aborted; isFirst = false) {
      if (!isFirst && this.record.state.terminated) {
        if (!(await this.#backOff())) break;
        this.record.restartCount++;
      }
      const code = await this.#runOnce();
      if (code === undefined) await pause(timing.retryMs, this.#ending.signal);
      else if (isLast(code)) break;
    }
    this.#started.resolve();
    const { state, lastState } = this.record;
    if (state.waiting && lastState) this.record.state = lastState;
    return this.record.state.terminated?.exitCode;
  }

  /** Ends the container for good. A second call with a shorter grace period counts too. */
  async stop(graceMs: number): Promise<void> {
    this.#graceMs = graceMs;
    this.#ending.abort();
    await this.#terminate(graceMs);
  }

  async #backOff(): Promise<boolean> {
    const { timing, changed } = this.#host;
    const { record } = this;
    const delayMs = timing.backOffMs(this.#failures++);
    if (delayMs === 0) return !this.#ending.signal.aborted;
    const { name, namespace, uid } = this.#host.pod().metadata;
    const { terminated } = record.state;
    if (terminated) record.lastState = { terminated };
    const message = `back-off ${delayMs / 1000}s restarting failed container=${record.spec.name} pod=${name}_${namespace}(${uid})`;
    record.state = { waiting: { reason: 'CrashLoopBackOff', message } };
    changed();
    return pause(delayMs, this.#ending.signal);
  }

  async #runOnce(): Promise<number | undefined> {
    const { record } = this;
    const process = await this.#start();
    if (process === undefined) return undefined;
    const startedAt = new Date();
    this.process = process;
    this.#hasRunHook = false;
    if (record.state.terminated) record.lastState = { terminated: record.state.terminated };
    record.containerID = process.id;
    record.state = { running: { startedAt: timestamp(startedAt) } };
    const endProbes = this.#probe(process);
    this.#host.changed();
    if (this.#ending.signal.aborted) void this.#terminate(this.#graceMs);
    const exitCode = await process.exited;
    endProbes();
    this.process = undefined;
    if (Date.now() - startedAt.getTime() > forgetFailuresAfterMs) this.#failures = 0;
    record.state = { terminated: this.#terminated(process, exitCode, startedAt) };
    record.ready = false;
    record.started = false;
    this.#host.changed();
    return exitCode;
  }

  async #start(): Promise<ContainerProcess | undefined> {
    const { runtime, pod, warn, changed } = this.#host;
    const { record } = this;
    try {
      return await runtime.start(pod(), record.spec, record.restartCount);
    } catch (error) {
      const isConfig = error instanceof ContainerConfigError;
      const reason = isConfig ? 'CreateContainerConfigError' : 'RunContainerError';
      const message = error instanceof Error ? error.message : String(error);
      if (record.state.terminated) record.lastState = { terminated: record.state.terminated };
      record.state = { waiting: { reason, message } };
      warn('Failed', message);
      changed();
      return undefined;
    }
  }

  #probe(process: ContainerProcess): () => void {
    const { record } = this;
    const { timing, warn, changed, pod } = this.#host;
    return startProbes(record.spec, process, timing, {
      onStarted: () => {
        record.started = true;
        this.#started.resolve();
        changed();
      },
      onReady: (ready) => {
        if (record.ready === ready) return;
        record.ready = ready;
        changed();
      },
      onUnhealthy: (probe, message) => {
        warn('Unhealthy', message);
        const own = probe.terminationGracePeriodSeconds;
        void this.#terminate(own === undefined ? graceMsOf(pod()) : own * 1000);
      },
    });
  }

  async #terminate(graceMs: number): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    const hook = this.#hasRunHook ? undefined : this.record.spec.lifecycle?.preStop;
    this.#hasRunHook = true;
    const before = Date.now();
    if (hook && graceMs > 0) {
      if (hook.sleep) await pause(Math.min(hook.sleep.seconds * 1000, graceMs), new AbortController().signal);
      else await perform(hook, process, graceMs);
    }
    const left = graceMs - (Date.now() - before);
    await process.stop(hook ? Math.max(left, Math.min(graceMs, leastGraceMs)) : graceMs);
  }

  #terminated(process: ContainerProcess, exitCode: number, startedAt: Date): Terminated {
    const message = terminationMessage(this.record.spec, exitCode, process);
    return {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      startedAt: timestamp(startedAt),
      finishedAt: timestamp(new Date()),
      containerID: process.id,
      ...(message !== '' && { message }),
    };
  }
}
