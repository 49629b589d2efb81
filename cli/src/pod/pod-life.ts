/**
 * The life of one pod: what its containers share, init containers in turn, containers side by side, and the end.
 * Knows neither where Pod objects live nor what a container is made of; tells each new status to `report`.
 */
import { ContainerLife, graceMsOf, type RestartPolicy } from './container-life.ts';
import { type PodStatus, timestamp } from './container-record.ts';
import { podStatus } from './pod-status.ts';
import type { PodAddresses, PodResource, Runtime } from './runtime.ts';
import { StatusReporter } from './status-reporter.ts';
import { pause, type Timing } from './timing.ts';

export interface PodLifeOptions {
  pod: PodResource;
  runtime: Runtime;
  timing: Timing;
  /** Called with the newest status, one call at a time; a rejection makes it try again. */
  report(status: PodStatus): Promise<void>;
  /** For Events about what went wrong but is tried again. */
  warn?(reason: string, message: string): void;
}

const statusUnknown = {
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
};

export class PodLife {
  /** Resolves when everything has ended and the last status is reported. */
  readonly ended: Promise<void>;
  readonly #options: PodLifeOptions;
  readonly #reporter: StatusReporter;
  readonly #initContainers: ContainerLife[];
  readonly #containers: ContainerLife[];
  readonly #sidecarRuns: Promise<unknown>[] = [];
  readonly #stopping = new AbortController();
  readonly #startTime = timestamp(new Date());
  #pod: PodResource;
  #addresses: PodAddresses | undefined;
  #isOver = false;
  #failure: { reason: string; message: string } | undefined;
  #status: PodStatus | undefined;
  #lastWarning = '';
  #graceMs: number | undefined;

  constructor(options: PodLifeOptions) {
    this.#options = options;
    this.#pod = options.pod;
    this.#reporter = new StatusReporter(async () => options.report(this.status()), options.timing.retryMs);
    const spec = options.pod.spec;
    const init = spec?.initContainers ?? [];
    const host = {
      pod: () => this.#pod,
      runtime: options.runtime,
      timing: options.timing,
      changed: () => this.#reporter.mark(),
      warn: (reason: string, message: string) => this.#warn(reason, message),
    };
    const waiting = init.length > 0 ? 'PodInitializing' : 'ContainerCreating';
    this.#initContainers = init.map((container) => new ContainerLife(container, host, waiting));
    this.#containers = (spec?.containers ?? []).map(
      (container) => new ContainerLife(container, host, waiting),
    );
    this.ended = this.#live();
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Takes over changed labels and annotations; a pod's containers cannot change. */
  update(pod: PodResource): void {
    this.#pod = pod;
  }

  container(name: string): ContainerLife | undefined {
    return [...this.#initContainers, ...this.#containers].find(({ record }) => record.spec.name === name);
  }

  /** Ends every container and reports how. A second call with a shorter grace period counts too. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    this.#graceMs = graceMs;
    const isSidecar = ({ record }: ContainerLife) => record.spec.restartPolicy === 'Always';
    const others = this.#initContainers.filter((container) => !isSidecar(container));
    await Promise.all([...others, ...this.#containers].map((container) => container.stop(graceMs)));
    await this.ended;
  }

  status(): PodStatus {
    const records = (lives: ContainerLife[]) => lives.map(({ record }) => ({ ...record }));
    this.#status = podStatus(
      {
        pod: this.#pod,
        initContainers: records(this.#initContainers),
        containers: records(this.#containers),
        startTime: this.#startTime,
        addresses: this.#addresses,
        isOver: this.#isOver,
        ...(this.#failure && { failure: this.#failure }),
      },
      this.#status,
      new Date(),
    );
    return structuredClone(this.#status);
  }

  async #live(): Promise<void> {
    this.#reporter.mark();
    const endDeadline = this.#watchDeadline();
    if ((await this.#prepare()) && (await this.#initialize())) await this.#runContainers();
    endDeadline();
    await this.#endSidecars();
    await this.#options.runtime.release(this.#pod);
    this.#isOver = true;
    this.#reporter.mark();
    await this.#reporter.settled();
  }

  async #prepare(): Promise<boolean> {
    const { runtime, timing } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        this.#addresses = await runtime.prepare(this.#pod);
        this.#reporter.mark();
        return true;
      } catch (error) {
        this.#warn('FailedMount', error instanceof Error ? error.message : String(error));
        await pause(timing.retryMs, this.#stopping.signal);
      }
    }
    return false;
  }

  /** Init containers one after the other; a sidecar need only have started. False when the containers must not run. */
  async #initialize(): Promise<boolean> {
    const policy: RestartPolicy = this.#pod.spec?.restartPolicy === 'Never' ? 'Never' : 'OnFailure';
    for (const container of this.#initContainers) {
      if (this.#stopping.signal.aborted) return false;
      if (container.record.spec.restartPolicy === 'Always') {
        this.#sidecarRuns.push(container.run('Always'));
        await Promise.race([container.started, this.#aborted()]);
      } else if ((await container.run(policy)) !== 0) return false;
    }
    return !this.#stopping.signal.aborted;
  }

  #aborted(): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) =>
      signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve()),
    );
  }

  async #runContainers(): Promise<void> {
    const policy = (this.#pod.spec?.restartPolicy ?? 'Always') as RestartPolicy;
    await Promise.all(this.#containers.map((container) => container.run(policy)));
    for (const { record } of this.#containers)
      if (record.state.waiting) record.state = { terminated: statusUnknown };
  }

  /** In the reverse order of their start, when nobody needs them any more. */
  async #endSidecars(): Promise<void> {
    const sidecars = this.#initContainers.filter(({ record }) => record.spec.restartPolicy === 'Always');
    for (const sidecar of sidecars.toReversed()) await sidecar.stop(this.#graceMs ?? graceMsOf(this.#pod));
    await Promise.all(this.#sidecarRuns);
  }

  #watchDeadline(): () => void {
    const seconds = this.#pod.spec?.activeDeadlineSeconds;
    if (seconds === undefined) return () => {};
    const timer = setTimeout(() => {
      const message = 'Pod was active on the node longer than the specified deadline';
      this.#failure = { reason: 'DeadlineExceeded', message };
      void this.stop(graceMsOf(this.#pod));
    }, seconds * 1000);
    return () => clearTimeout(timer);
  }

  #warn(reason: string, message: string): void {
    if (message === this.#lastWarning) return;
    this.#lastWarning = message;
    this.#options.warn?.(reason, message);
  }
}
