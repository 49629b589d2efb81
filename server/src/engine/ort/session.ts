/** One loaded graph, its tensors over memory of ours, and its runs. Everything native is released exactly once. */
import { OrtLibrary, type Pointer } from './api.ts';

const logError = 3;
const allOptimizations = 99;
const deviceAllocator = 0;
const defaultMemory = 0;

export interface SessionOptions {
  readonly threads: number;
  readonly entries: Readonly<Record<string, string>>;
}

/** Names and values of a run, as tables of pointers in native memory that the caller keeps. */
export interface RunBinding {
  readonly inputNames: Pointer;
  readonly inputs: Pointer;
  readonly inputCount: number;
  readonly outputNames: Pointer;
  readonly outputs: Pointer;
  readonly outputCount: number;
}

export class RunTerminated extends Error {}

let environment: Pointer | undefined;

/** ONNX Runtime keeps one environment a process; it has no state of a model, so it stays. */
function sharedEnvironment(library: OrtLibrary): Pointer {
  environment ??= library.make((out) => library.api.CreateEnv(logError, 'longpo', out));
  return environment;
}

export class Session {
  readonly #library: OrtLibrary;
  readonly #session: Pointer;
  readonly #runOptions: Pointer;
  readonly #memoryInfo: Pointer;
  readonly #values = new Set<Pointer>();
  #running: Promise<void> | undefined;
  #terminating = false;
  #closed = false;

  private constructor(library: OrtLibrary, session: Pointer) {
    const { api } = library;
    this.#library = library;
    this.#session = session;
    this.#runOptions = library.make((out) => api.CreateRunOptions(out));
    this.#memoryInfo = library.make((out) => api.CreateCpuMemoryInfo(deviceAllocator, defaultMemory, out));
  }

  static async open(model: Uint8Array, settings: SessionOptions): Promise<Session> {
    const library = OrtLibrary.load();
    const { api, asyncApi } = library;
    const env = sharedEnvironment(library);
    const options = library.make((out) => api.CreateSessionOptions(out));
    try {
      library.check(api.SetIntraOpNumThreads(options, settings.threads));
      library.check(api.SetSessionGraphOptimizationLevel(options, allOptimizations));
      // A pattern would be kept for every length of a chunk that ever ran.
      library.check(api.DisableMemPattern(options));
      for (const [key, value] of Object.entries(settings.entries)) {
        library.check(api.AddSessionConfigEntry(options, key, value));
      }
      const out = new BigUint64Array(1);
      library.check(await asyncApi.CreateSessionFromArray(env, model, model.length, options, out));
      return new Session(library, out[0] ?? 0n);
    } finally {
      api.ReleaseSessionOptions(options);
    }
  }

  /** A tensor over memory of the caller, who keeps it until `release` or the session's close. */
  tensor(address: Pointer, bytes: number, shape: readonly number[], type: number): Pointer {
    const dimensions = BigInt64Array.from(shape, BigInt);
    const value = this.#library.make((out) =>
      this.#library.api.CreateTensorWithDataAsOrtValue(
        this.#memoryInfo,
        address,
        bytes,
        dimensions,
        shape.length,
        type,
        out,
      ),
    );
    this.#values.add(value);
    return value;
  }

  release(value: Pointer): void {
    if (this.#values.delete(value)) this.#library.api.ReleaseValue(value);
  }

  /** Runs off the event loop, one run at a time; throws RunTerminated if `terminate` came in between. */
  async run(binding: RunBinding): Promise<void> {
    if (this.#closed || this.#running)
      throw new Error(this.#closed ? 'the session is closed' : 'a run is in flight');
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    try {
      const status = await this.#library.asyncApi.Run(
        this.#session,
        this.#runOptions,
        binding.inputNames,
        binding.inputs,
        binding.inputCount,
        binding.outputNames,
        binding.outputCount,
        binding.outputs,
      );
      this.#checkRun(status);
    } finally {
      this.#running = undefined;
      resolve();
    }
  }

  #checkRun(status: Pointer | null): void {
    const terminated = this.#terminating;
    if (terminated) {
      this.#terminating = false;
      this.#library.check(this.#library.api.RunOptionsUnsetTerminate(this.#runOptions));
    }
    try {
      this.#library.check(status);
    } catch (error) {
      throw terminated ? new RunTerminated('the run was terminated') : error;
    }
  }

  /** Ends the run in flight after its current node; without one it does nothing. */
  terminate(): void {
    if (!this.#running || this.#terminating) return;
    this.#terminating = true;
    this.#library.check(this.#library.api.RunOptionsSetTerminate(this.#runOptions));
  }

  /** Ends the run in flight, waits for it, releases everything. Memory under the tensors may go afterwards. */
  async close(): Promise<void> {
    const first = !this.#closed;
    this.#closed = true;
    this.terminate();
    await this.#running;
    if (!first) return;
    const { api } = this.#library;
    for (const value of this.#values) api.ReleaseValue(value);
    this.#values.clear();
    api.ReleaseSession(this.#session);
    api.ReleaseRunOptions(this.#runOptions);
    api.ReleaseMemoryInfo(this.#memoryInfo);
  }
}
