/** The grammars of one model: a worker thread that starts with the first one. */
import { Worker } from 'node:worker_threads';
import type { Constraint } from '../constraint.ts';
import type { Grammar } from '../grammar.ts';
import { expressionOf } from './compile.ts';
import { GrammarError } from './grammar-error.ts';
import { formatRefused, Matcher } from './matcher.ts';
import type { WorkerRequest, WorkerSettings } from './protocol.ts';

export class Grammars {
  readonly #settings: WorkerSettings;
  readonly #matchers = new Map<number, Matcher>();
  #worker: Worker | undefined;
  #count = 0;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  /** Throws an EngineError if answers cannot be held to the grammar; its first mask comes later. */
  constraint(grammar: Grammar): Constraint {
    checkGrammar(grammar);
    this.#count += 1;
    const id = this.#count;
    const matcher = new Matcher(id, {
      grammar,
      vocabularySize: this.#settings.vocabularySize,
      send: (request) => this.#send(request),
      onClose: () => this.#leave(id),
    });
    this.#matchers.set(id, matcher);
    // The process must not end while an answer waits for its grammar.
    this.#worker?.ref();
    return matcher;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #leave(id: number): void {
    this.#matchers.delete(id);
    if (this.#matchers.size === 0) this.#worker?.unref();
  }

  #send(request: WorkerRequest): void {
    // A worker that has ended has nothing left to be told.
    if (request.type === 'open') this.#worker ??= this.#start();
    this.#worker?.postMessage(request);
  }

  #start(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: this.#settings });
    worker.on('error', (error) => this.#fail(worker, String(error)));
    worker.on('exit', () => this.#fail(worker, 'the thread of the grammars has ended'));
    return worker;
  }

  /** The next grammar starts a new thread. */
  #fail(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const matcher of this.#matchers.values()) matcher.fail(reason);
    this.#matchers.clear();
  }
}

/** Beside the worker, so that the request is refused before its answer begins: this takes no tokens and little time. */
function checkGrammar(grammar: Grammar): void {
  try {
    expressionOf(grammar);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw formatRefused(error.message);
  }
}
