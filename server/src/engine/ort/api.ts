/**
 * The part of ONNX Runtime's C API that the engine uses. OrtApi is a struct of function pointers whose order never
 * changes; an index is a function's place in onnxruntime_c_api.h.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { LibraryHandle } from 'koffi';
import { koffi } from '../foreign.ts';

/** Of the structs' layout; any library since 1.22 answers to it. */
const apiVersion = 22;
const pointerBytes = 8;

export type Pointer = bigint;
/** A pointer to what the call writes. */
type Out = BigUint64Array;
type Status = Pointer | null;

export interface OrtApi {
  CreateEnv(logLevel: number, id: string, out: Out): Status;
  CreateSessionOptions(out: Out): Status;
  DisableMemPattern(options: Pointer): Status;
  SetSessionGraphOptimizationLevel(options: Pointer, level: number): Status;
  SetIntraOpNumThreads(options: Pointer, threads: number): Status;
  AddSessionConfigEntry(options: Pointer, key: string, value: string): Status;
  CreateRunOptions(out: Out): Status;
  RunOptionsSetTerminate(options: Pointer): Status;
  RunOptionsUnsetTerminate(options: Pointer): Status;
  CreateTensorWithDataAsOrtValue(
    info: Pointer,
    data: Pointer,
    bytes: number,
    shape: BigInt64Array,
    rank: number,
    type: number,
    out: Out,
  ): Status;
  CreateCpuMemoryInfo(allocator: number, kind: number, out: Out): Status;
  ReleaseEnv(env: Pointer): void;
  ReleaseMemoryInfo(info: Pointer): void;
  ReleaseSession(session: Pointer): void;
  ReleaseValue(value: Pointer): void;
  ReleaseRunOptions(options: Pointer): void;
  ReleaseSessionOptions(options: Pointer): void;
}

/** Calls that take long run on a thread of libuv's pool; what they point to must stay until they return. */
export interface OrtAsyncApi {
  CreateSessionFromArray(
    env: Pointer,
    model: Uint8Array,
    bytes: number,
    options: Pointer,
    out: Out,
  ): Promise<Status>;
  Run(
    session: Pointer,
    options: Pointer,
    inputNames: Pointer,
    inputs: Pointer,
    inputCount: number,
    outputNames: Pointer,
    outputCount: number,
    outputs: Pointer,
  ): Promise<Status>;
}

/** Index and C prototype; `status` is a pointer that is null on success. */
const prototypes: Record<keyof OrtApi | keyof OrtAsyncApi, readonly [index: number, prototype: string]> = {
  CreateEnv: [3, 'void *(int level, const char *id, void *out)'],
  CreateSessionFromArray: [8, 'void *(void *env, const void *model, size_t bytes, void *options, void *out)'],
  Run: [
    9,
    'void *(void *s, void *o, void *inNames, void *ins, size_t n, void *outNames, size_t m, void *outs)',
  ],
  CreateSessionOptions: [10, 'void *(void *out)'],
  DisableMemPattern: [17, 'void *(void *options)'],
  SetSessionGraphOptimizationLevel: [23, 'void *(void *options, int level)'],
  SetIntraOpNumThreads: [24, 'void *(void *options, int threads)'],
  CreateRunOptions: [39, 'void *(void *out)'],
  RunOptionsSetTerminate: [46, 'void *(void *options)'],
  RunOptionsUnsetTerminate: [47, 'void *(void *options)'],
  CreateTensorWithDataAsOrtValue: [
    49,
    'void *(void *info, void *data, size_t bytes, const int64_t *shape, size_t rank, int type, void *out)',
  ],
  CreateCpuMemoryInfo: [69, 'void *(int allocator, int kind, void *out)'],
  ReleaseEnv: [92, 'void (void *env)'],
  ReleaseMemoryInfo: [94, 'void (void *info)'],
  ReleaseSession: [95, 'void (void *session)'],
  ReleaseValue: [96, 'void (void *value)'],
  ReleaseRunOptions: [97, 'void (void *options)'],
  ReleaseSessionOptions: [100, 'void (void *options)'],
  AddSessionConfigEntry: [130, 'void *(void *options, const char *key, const char *value)'],
};

function libraryPath(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  return join(root, 'bin', 'napi-v6', process.platform, process.arch, 'libonnxruntime.so.1');
}

export class OrtLibrary {
  readonly api: OrtApi;
  readonly asyncApi: OrtAsyncApi;
  /** koffi unloads a library whose handle is collected, and every pointer into it with it. */
  readonly handle: LibraryHandle;
  readonly #errorMessage: (status: Pointer) => string;
  readonly #releaseStatus: (status: Pointer) => void;

  private constructor() {
    this.handle = koffi.load(libraryPath());
    const table = apiTable(this.handle);
    const bind = (index: number, name: string, prototype: string) => {
      const [result, parameters] = prototype.split(/(?=\()/);
      const pointer = koffi.decode(table, index * pointerBytes, 'void *');
      return koffi.decode(pointer, koffi.proto(`${result} ${name}${parameters}`));
    };
    const entries = Object.entries(prototypes).map(([name, [index, text]]) => [
      name,
      bind(index, `Ort_${name}`, text),
    ]);
    const functions = Object.fromEntries(entries);
    this.api = functions;
    this.asyncApi = {
      CreateSessionFromArray: promised(functions.CreateSessionFromArray),
      Run: promised(functions.Run),
    };
    this.#errorMessage = bind(2, 'Ort_GetErrorMessage', 'const char *(void *status)');
    this.#releaseStatus = bind(93, 'Ort_ReleaseStatus', 'void (void *status)');
  }

  static #instance: OrtLibrary | undefined;

  /** The library is loaded once and stays for the life of the process. */
  static load(): OrtLibrary {
    OrtLibrary.#instance ??= new OrtLibrary();
    return OrtLibrary.#instance;
  }

  check(status: Status): void {
    if (status === null) return;
    const message = this.#errorMessage(status);
    this.#releaseStatus(status);
    throw new Error(`ONNX Runtime: ${message}`);
  }

  /** Calls a function whose last argument takes the handle that it makes. */
  make(create: (out: BigUint64Array) => Status): Pointer {
    const out = new BigUint64Array(1);
    this.check(create(out));
    return out[0] ?? 0n;
  }
}

function apiTable(library: LibraryHandle): unknown {
  const base = library.func('void *OrtGetApiBase()')();
  const getApi = koffi.decode(base, 'void *');
  const table: unknown = koffi.call(getApi, koffi.proto('void *OrtGetApi(uint32_t version)'), apiVersion);
  if (table === null) throw new Error(`${libraryPath()}: does not offer API version ${apiVersion}`);
  return table;
}

interface Foreign {
  async(...args: unknown[]): void;
}

function promised<A extends unknown[]>(call: Foreign): (...args: A) => Promise<Status> {
  return async (...args) => {
    const status = await new Promise<Status>((resolve, reject) => {
      call.async(...args, (error: Error | null, result: Status) => (error ? reject(error) : resolve(result)));
    });
    // Used after the call, so that the memory behind the arguments is not collected during it.
    args.length = 0;
    return status;
  };
}
