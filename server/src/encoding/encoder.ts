/**
 * Token ids of long texts, made in a thread of their own: a document of 100K tokens takes seconds, for which no other
 * request, stream or probe may wait.
 */
import { Worker } from 'node:worker_threads';
import type { Tokenizer } from '@longpo/tokens';

export type EncodeOptions = Parameters<Tokenizer['encode']>[1];
export type Encode = (text: string, options?: EncodeOptions) => Promise<number[]>;

export interface EncodeJob {
  readonly job: number;
  readonly text: string;
  readonly options: EncodeOptions;
}

export interface EncodeResult {
  readonly job: number;
  readonly ids: Uint32Array<ArrayBuffer>;
}

/** What is encoded at once takes a millisecond or two, less than the way to the thread and back is worth. */
const maxCharactersAtOnce = 1000;

export class Encoder {
  readonly #folder: string;
  readonly #tokenizer: Tokenizer;
  readonly #jobs = new Map<number, PromiseWithResolvers<number[]>>();
  #worker: Worker | undefined;
  #lastJob = 0;

  private constructor(folder: string, tokenizer: Tokenizer) {
    this.#folder = folder;
    this.#tokenizer = tokenizer;
  }

  /** `tokenizer` is that of the folder. Once this resolves, the thread has read it too, whatever the folder becomes. */
  static async open(folder: string, tokenizer: Tokenizer): Promise<Encoder> {
    const encoder = new Encoder(folder, tokenizer);
    await encoder.#encodeInThread('', undefined);
    return encoder;
  }

  readonly encode: Encode = async (text, options) => {
    if (text.length <= maxCharactersAtOnce) return this.#tokenizer.encode(text, options);
    return this.#encodeInThread(text, options);
  };

  /** Fails what is not encoded yet. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #encodeInThread(text: string, options: EncodeOptions): Promise<number[]> {
    this.#worker ??= this.#start();
    this.#lastJob += 1;
    const job = this.#lastJob;
    const result = Promise.withResolvers<number[]>();
    this.#jobs.set(job, result);
    this.#worker.postMessage({ job, text, options } satisfies EncodeJob);
    return result.promise;
  }

  #start(): Worker {
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: this.#folder });
    // The process may end while it waits for work.
    worker.unref();
    worker.on('message', ({ job, ids }: EncodeResult) => {
      this.#jobs.get(job)?.resolve([...ids]);
      this.#jobs.delete(job);
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('the thread that encodes has ended')));
    return worker;
  }

  /** The next text starts a new thread. */
  #fail(error: unknown): void {
    this.#worker = undefined;
    for (const { reject } of this.#jobs.values()) reject(error);
    this.#jobs.clear();
  }
}
