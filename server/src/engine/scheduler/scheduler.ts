/**
 * Interleaves requests on one runner. A round is one token for every decoding sequence and one chunk of one prompt,
 * so that a decode never waits for more than one chunk. Prompts take turns chunk by chunk.
 */
import type { EngineStats, GenerateRequest, Generation } from '../engine.ts';
import { EngineError } from '../engine.ts';
import type { Runner } from './runner.ts';
import { Sequence } from './sequence.ts';
import { Slots } from './slots.ts';

export class Scheduler {
  readonly #runner: Runner;
  readonly #eosTokenIds: readonly number[];
  readonly #slots: Slots;
  readonly #waiting: Sequence[] = [];
  readonly #running: Sequence[] = [];
  readonly #totals = { prefixCacheQueries: 0, prefixCacheHits: 0, promptTokens: 0, generationTokens: 0 };
  #inFlight: Sequence | undefined;
  #lastPrefilled: Sequence | undefined;
  #working: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(runner: Runner, eosTokenIds: readonly number[]) {
    this.#runner = runner;
    this.#eosTokenIds = eosTokenIds;
    this.#slots = new Slots(runner.slots);
  }

  /** The request has been checked: a prompt that fits, with at least one token of room. */
  submit(request: GenerateRequest, signal?: AbortSignal): Generation {
    if (this.#closing) throw new EngineError('ENGINE_CLOSED', 'the engine is closed');
    const maxTokens = Math.min(request.maxTokens, this.#runner.positions - request.promptIds.length);
    const limits = { maxTokens, eosTokenIds: this.#eosTokenIds };
    const sequence = new Sequence(request, limits, signal, (aborted) => this.#onAbort(aborted));
    if (signal?.aborted) {
      sequence.finish('abort');
      return sequence;
    }
    this.#waiting.push(sequence);
    this.#working ??= this.#work();
    return sequence;
  }

  stats(): EngineStats {
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      kvTokensUsed: this.#slots.tokensUsed,
      kvTokensCapacity: this.#runner.slots * this.#runner.positions,
      ...this.#totals,
    };
  }

  /** Aborts every request, waits for the step in flight, closes the runner. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const sequence of this.#waiting.splice(0)) sequence.finish('abort');
    for (const sequence of this.#running) sequence.abort();
    if (this.#inFlight) this.#runner.terminate();
    await this.#working;
    await this.#runner.close();
  }

  #onAbort(sequence: Sequence): void {
    const at = this.#waiting.indexOf(sequence);
    if (at >= 0) {
      this.#waiting.splice(at, 1);
      sequence.finish('abort');
    } else if (sequence === this.#inFlight) this.#runner.terminate();
  }

  async #work(): Promise<void> {
    // Requests of one turn of the event loop start together.
    await Promise.resolve();
    for (;;) {
      this.#dropAborted();
      this.#admit();
      if (this.#running.length === 0) break;
      for (const sequence of this.#running.filter(({ decoding }) => decoding)) await this.#step(sequence);
      const prompt = this.#nextPrompt();
      if (prompt) await this.#step(prompt);
    }
    this.#working = undefined;
  }

  #dropAborted(): void {
    for (const sequence of this.#running.filter(({ aborted }) => aborted)) {
      sequence.finish('abort');
      this.#retire(sequence);
    }
  }

  #admit(): void {
    for (;;) {
      const sequence = this.#waiting[0];
      const placement = sequence && this.#slots.take(sequence.request.promptIds);
      if (!sequence || !placement) return;
      this.#waiting.shift();
      this.#running.push(sequence);
      sequence.slot = placement.slot;
      sequence.cachedTokens = placement.cached;
      sequence.pending = sequence.pending.slice(placement.cached);
      const total = sequence.request.promptIds.length;
      this.#totals.prefixCacheQueries += total;
      this.#totals.prefixCacheHits += placement.cached;
      this.#totals.promptTokens += total;
      this.#attempt(sequence, () => {
        this.#runner.truncate(placement.slot, placement.cached);
        sequence.request.onPrefill?.(placement.cached, total);
      });
    }
  }

  /** After the one whose chunk ran last, in the order of arrival. */
  #nextPrompt(): Sequence | undefined {
    const prompts = this.#running.filter(({ decoding, finished }) => !decoding && !finished);
    const last = this.#lastPrefilled ? prompts.indexOf(this.#lastPrefilled) : -1;
    this.#lastPrefilled = prompts[(last + 1) % prompts.length];
    return this.#lastPrefilled;
  }

  /** Runs the next chunk or token of a sequence and takes it off when that ends it. */
  async #step(sequence: Sequence): Promise<void> {
    if (!sequence.aborted) await this.#run(sequence);
    if (sequence.aborted && !sequence.finished) sequence.finish('abort');
    if (sequence.finished) this.#retire(sequence);
  }

  async #run(sequence: Sequence): Promise<void> {
    const ids = sequence.pending.slice(0, this.#runner.chunkTokens);
    const { slot } = sequence;
    this.#inFlight = sequence;
    try {
      const logits = await this.#runner.run({ slot, ids, past: this.#slots.length(slot) });
      this.#slots.append(slot, ids);
      sequence.pending = sequence.pending.slice(ids.length);
      if (!sequence.aborted) this.#advance(sequence, logits);
    } catch (error) {
      // The slot still holds what it held before the step, so only this request is lost.
      if (!sequence.aborted) sequence.fail(error);
    } finally {
      this.#inFlight = undefined;
    }
  }

  #advance(sequence: Sequence, logits: Float32Array): void {
    const { promptIds, onPrefill } = sequence.request;
    if (!sequence.decoding) onPrefill?.(promptIds.length - sequence.pending.length, promptIds.length);
    if (sequence.pending.length > 0) return;
    sequence.accept(logits);
    if (sequence.pending.length > 0) this.#totals.generationTokens += 1;
  }

  /** A callback that throws costs its own request only. */
  #attempt(sequence: Sequence, action: () => void): void {
    try {
      action();
    } catch (error) {
      sequence.fail(error);
      this.#retire(sequence);
    }
  }

  #retire(sequence: Sequence): void {
    this.#running.splice(this.#running.indexOf(sequence), 1);
    this.#slots.free(sequence.slot);
  }
}
