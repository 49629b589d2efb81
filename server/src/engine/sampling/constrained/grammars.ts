/** The grammars of one model: a worker thread that starts with the first one. */
import { Worker } from 'node:worker_threads';
import type { Constraint } from '../constraint.ts';
import type { Grammar } from '../grammar.ts';
import { GrammarError } from './grammar-error.ts';
import {
  allocateMask,
  type CompileReply,
  maskState,
  readReason,
  type WorkerRequest,
  type WorkerSettings,
} from './protocol.ts';

/** A mask takes microseconds, a grammar up to seconds; longer means that the thread is gone. */
const maxWaitMs = 30_000;

export class Grammars {
  readonly #settings: WorkerSettings;
  readonly #compiling = new Map<number, (reply: CompileReply) => void>();
  #worker: Worker | undefined;
  #count = 0;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  /** Compiles beside the event loop, so that `constraint` need not wait. Throws a GrammarError. */
  async prepare(grammar: Grammar): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<CompileReply>();
    this.#count += 1;
    this.#compiling.set(this.#count, resolve);
    this.#send({ type: 'compile', request: this.#count, grammar });
    const { refused } = await promise;
    if (refused !== null) throw new GrammarError(refused);
  }

  /** Waits, with the event loop, until the grammar is compiled. Throws a GrammarError. */
  constraint(grammar: Grammar): Constraint {
    this.#count += 1;
    const matcher = new Matcher(this.#count, grammar, this.#settings.vocabularySize, (request) =>
      this.#send(request),
    );
    matcher.wait();
    return matcher;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #send(request: WorkerRequest): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(request);
  }

  #start(): Worker {
    // The library prints why it aborts; nobody reads it.
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: this.#settings,
      stdout: true,
      stderr: true,
    });
    worker.unref();
    worker.on('message', (reply: CompileReply) => {
      this.#compiling.get(reply.request)?.(reply);
      this.#compiling.delete(reply.request);
    });
    worker.on('error', (error) => this.#fail(error));
    return worker;
  }

  /** The next grammar starts a new thread. */
  #fail(error: unknown): void {
    this.#worker = undefined;
    for (const [request, resolve] of this.#compiling) resolve({ request, refused: String(error) });
    this.#compiling.clear();
  }
}

class Matcher implements Constraint {
  readonly #id: number;
  readonly #block: Int32Array;
  readonly #send: (request: WorkerRequest) => void;

  constructor(id: number, grammar: Grammar, vocabularySize: number, send: (request: WorkerRequest) => void) {
    this.#id = id;
    this.#send = send;
    const block = allocateMask(vocabularySize);
    this.#block = new Int32Array(block);
    send({ type: 'open', matcher: id, grammar, block });
  }

  wait(): void {
    const state = this.#block;
    if (Atomics.wait(state, 0, maskState.pending, maxWaitMs) === 'timed-out')
      throw new Error('the grammar worker does not answer');
    if (state[0] === maskState.refused) throw new GrammarError(readReason(state));
    if (state[0] === maskState.failed) throw new Error(readReason(state));
  }

  /** The mask was asked for with the last token: while the model ran, it came. */
  apply(logits: Float32Array): void {
    this.wait();
    for (let id = 0; id < logits.length; id++) {
      const word = this.#block[1 + (id >> 5)] ?? 0;
      if (((word >>> (id & 31)) & 1) === 0) logits[id] = Number.NEGATIVE_INFINITY;
    }
  }

  accept(token: number): void {
    // The answer to the token before must not be taken for the answer to this one.
    this.wait();
    Atomics.store(this.#block, 0, maskState.pending);
    this.#send({ type: 'accept', matcher: this.#id, token });
  }

  close(): void {
    this.#send({ type: 'close', matcher: this.#id });
  }
}
