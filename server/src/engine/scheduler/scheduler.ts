/**
 * Interleaves requests on one runner. A round is one token for all decoding sequences in one run, and then chunks of
 * prompts up to one chunk's tokens, so that a decode never waits for more than that. Prompts take turns.
 */
import type { EngineOptions, EngineStats, GenerateRequest, Generation, StepRecord } from '../engine.ts';
import { EngineError } from '../engine.ts';
import { PrefixKeeper } from '../prefix-cache/prefix-keeper.ts';
import type { PrefixStore } from '../prefix-cache/prefix-store.ts';
import type { Constraint } from '../sampling/constraint.ts';
import type { Grammar } from '../sampling/grammar.ts';
import type { Runner } from './runner.ts';
import { Sequence } from './sequence.ts';
import { copyMemory, longestSharedPrefix } from './shared-prefix.ts';
import { Slots } from './slots.ts';
import { WaitingLine } from './waiting-line.ts';

export interface SchedulerOptions extends Pick<EngineOptions, 'kvMemory' | 'maxQueuedTokens' | 'onStep'> {
  readonly eosTokenIds: readonly number[];
  /** Where the kept prefixes are read from before the first request and written to. */
  readonly prefixes?: PrefixStore | null;
  /** What holds an answer to a grammar; requests with one are refused unless given. */
  readonly constrain?: (grammar: Grammar) => Constraint;
}

export class Scheduler {
  readonly #runner: Runner;
  readonly #options: SchedulerOptions;
  readonly #slots: Slots;
  readonly #waiting: WaitingLine;
  readonly #keeper: PrefixKeeper | null;
  readonly #running: Sequence[] = [];
  readonly #totals = {
    prefixCacheQueries: 0,
    prefixCacheHits: 0,
    promptTokens: 0,
    prefillTokens: 0,
    generationTokens: 0,
    draftTokens: 0,
    draftAccepted: 0,
  };
  #batchSize = 0;
  /** Whose chunk runs now. */
  #reading: Sequence | undefined;
  #lastRead: Sequence | undefined;
  #working: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(runner: Runner, options: SchedulerOptions) {
    this.#runner = runner;
    this.#options = options;
    this.#waiting = new WaitingLine(options.maxQueuedTokens ?? null);
    this.#slots = new Slots({
      count: runner.slots,
      kvBytes: (tokens) => runner.kvBytes(tokens),
      budget: options.kvMemory ?? Number.POSITIVE_INFINITY,
      reuseDecoded: runner.decodesAsItReads,
    });
    this.#keeper = options.prefixes ? this.#keeperOf(options.prefixes) : null;
  }

  #keeperOf(store: PrefixStore): PrefixKeeper {
    return new PrefixKeeper(store, {
      // A longer one is of an engine that served longer contexts.
      place: (ids) => {
        const slot = ids.length < this.#runner.positions ? this.#slots.adopt(ids) : undefined;
        if (slot !== undefined) this.#runner.expect(slot, ids.length);
        return slot;
      },
      memory: (slot, tokens) => this.#runner.memory(slot, tokens),
      discard: (slot) => {
        this.#slots.discard(slot);
        this.#runner.truncate(slot, 0);
      },
      kept: () => this.#slots.kept(),
    });
  }

  /** Fills the slots with the prefixes of an earlier life. To be awaited before the first request. */
  async restore(): Promise<void> {
    await this.#keeper?.restore();
  }

  /** The request has been checked: a prompt that fits, with room for a token unless none is wanted. */
  submit(request: GenerateRequest, signal?: AbortSignal): Generation {
    if (this.#closing) throw new EngineError('ENGINE_CLOSED', 'the engine is closed');
    this.#waiting.check(request.promptIds.length, this.#slots.idle);
    const maxTokens = Math.min(request.maxTokens, this.#runner.positions - request.promptIds.length);
    const { maxDraft } = this.#runner;
    // Last, since it is held until the sequence ends.
    const constraint = request.grammar ? this.#constraint(request.grammar) : undefined;
    const limits = { maxTokens, maxDraft, eosTokenIds: this.#options.eosTokenIds, constraint };
    const sequence = new Sequence(request, limits, signal, (aborted) => this.#onAbort(aborted));
    if (signal?.aborted) {
      sequence.finish('abort');
      return sequence;
    }
    this.#keeper?.stir();
    this.#waiting.push(sequence);
    this.#wake();
    return sequence;
  }

  #constraint(grammar: Grammar): Constraint {
    const { constrain } = this.#options;
    if (constrain) return constrain(grammar);
    throw new EngineError('REQUEST_INVALID', 'this engine cannot hold an answer to a grammar');
  }

  stats(): EngineStats {
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      queuedTokens: this.#waiting.tokens,
      kvTokensUsed: this.#slots.tokensUsed,
      kvTokensCapacity: this.#runner.slots * this.#runner.positions,
      kvBytesUsed: this.#slots.bytesUsed,
      kvBytesReserved: this.#slots.bytesReserved,
      kvBytesOnDisk: this.#options.prefixes?.bytes ?? 0,
      batchSize: this.#batchSize,
      evictions: this.#slots.evictions,
      ...this.#totals,
    };
  }

  /** Aborts every request, waits for the run in flight, closes the runner. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const sequence of this.#waiting.clear()) sequence.finish('abort');
    for (const sequence of this.#running) sequence.abort();
    this.#runner.terminate();
    // Also those that wait for their grammars are let go.
    this.#wake();
    await this.#working;
    try {
      await this.#keeper?.close();
    } finally {
      await this.#runner.close();
    }
  }

  /** A chunk of a prompt is cut short. A decode step is not: it is short, and others are in it. */
  #onAbort(sequence: Sequence): void {
    if (this.#waiting.remove(sequence)) sequence.finish('abort');
    else if (sequence === this.#reading) this.#runner.terminate();
    this.#wake();
  }

  #wake(): void {
    this.#working ??= this.#work();
  }

  /** Until nothing is left to do, or to do before a grammar has said which tokens may come. */
  async #work(): Promise<void> {
    // Requests of one turn of the event loop start together.
    await Promise.resolve();
    for (;;) {
      await this.#takeShared();
      this.#acceptHeld();
      this.#retireEnded();
      this.#admit();
      if (!this.#running.some(({ reading, decoding }) => reading || decoding)) break;
      await this.#decode(this.#running.filter(({ decoding }) => decoding));
      this.#retireEnded();
      await this.#readPrompts();
    }
    this.#working = undefined;
    if (this.#running.length === 0) this.#keeper?.rest();
  }

  /** One whose prefix another waits for keeps its slot until that is taken. */
  #retireEnded(): void {
    for (const sequence of this.#running)
      if (sequence.aborted && !sequence.finished) sequence.finish('abort');
    const going = this.#running.filter(({ finished }) => !finished);
    const awaited = new Set(going.map((sequence) => sequence.awaited?.source));
    const stays = (sequence: Sequence): boolean => !sequence.finished || awaited.has(sequence);
    for (const sequence of this.#running)
      if (!stays(sequence)) this.#runner.truncate(sequence.slot, this.#slots.free(sequence.slot));
    this.#running.splice(0, this.#running.length, ...this.#running.filter(stays));
  }

  #admit(): void {
    for (;;) {
      const sequence = this.#waiting.first;
      if (!sequence) return;
      const { promptIds, promptLogprobs } = sequence.request;
      const limit = promptIds.length + sequence.maxTokens;
      const placement = this.#slots.take({ promptIds, limit, reuse: promptLogprobs === null });
      if (!placement) return;
      this.#waiting.shift();
      for (const slot of placement.evicted) this.#runner.truncate(slot, 0);
      this.#start(sequence, placement.slot, placement.cached);
    }
  }

  #start(sequence: Sequence, slot: number, cached: number): void {
    const total = sequence.request.promptIds.length;
    sequence.slot = slot;
    sequence.cachedTokens = cached;
    sequence.promptDone = cached;
    // Less than a chunk is read sooner than waited for.
    sequence.awaited = longestSharedPrefix(sequence, this.#running, this.#runner.chunkTokens);
    this.#running.push(sequence);
    this.#totals.prefixCacheQueries += total;
    this.#totals.prefixCacheHits += cached;
    this.#totals.promptTokens += total;
    attempt(sequence, () => {
      this.#runner.truncate(slot, cached);
      this.#runner.expect(slot, total);
      sequence.request.onPrefill?.(cached, total);
    });
  }

  /** What others have read of the prompts that begin as theirs. Of one that is given up, as far as it came. */
  async #takeShared(): Promise<void> {
    for (const sequence of this.#running) {
      const { awaited, ended } = sequence;
      if (!awaited || ended) continue;
      const { source, tokens } = awaited;
      if (!source.ended && source.promptDone < tokens) continue;
      const length = Math.min(tokens, source.promptDone);
      if (length > sequence.promptDone) await this.#copyPrefix(source, sequence, length);
      sequence.awaited = undefined;
    }
  }

  async #copyPrefix(source: Sequence, sequence: Sequence, length: number): Promise<void> {
    const { slot, promptDone, request } = sequence;
    await copyMemory(this.#runner.memory(source.slot, length), this.#runner.memory(slot, length));
    this.#slots.read(slot, request.promptIds.slice(promptDone, length));
    this.#totals.prefixCacheHits += length - promptDone;
    sequence.cachedTokens = length;
    sequence.promptDone = length;
    attempt(sequence, () => request.onPrefill?.(length, request.promptIds.length));
  }

  /** One token for each of them. */
  async #decode(batch: readonly Sequence[]): Promise<void> {
    const live = batch.filter(({ aborted }) => !aborted);
    const [first, ...others] = live;
    if (!first) return;
    try {
      if (others.length === 0) await this.#decodeAlone(first);
      else await this.#decodeTogether(live);
    } catch (error) {
      // Slots hold what they held before the step, so whoever does not fail by itself goes on.
      if (others.length > 0) for (const sequence of live) await this.#decode([sequence]);
      else if (!first.aborted) first.fail(error);
    }
  }

  /** Guesses pay where a run is cheap beside its first row; a batch has rows enough. */
  async #decodeAlone(sequence: Sequence): Promise<void> {
    const draft = sequence.draft();
    if (draft.length > 0) await this.#decodeDraft(sequence, draft);
    else await this.#decodeTogether([sequence]);
  }

  async #decodeTogether(batch: readonly Sequence[]): Promise<void> {
    const rows = batch.map(({ slot, pending }) => ({
      slot,
      id: pending[0] ?? 0,
      past: this.#slots.length(slot),
    }));
    this.#batchSize = batch.length;
    const logits = await this.#timed('decode', rows.length, rows.length, () => this.#runner.decode(rows));
    for (const [i, sequence] of batch.entries()) {
      const row = logits[i];
      if (!row) throw new Error(`no logits for row ${i} of ${rows.length}`);
      this.#slots.decoded(sequence.slot, sequence.pending);
      sequence.pending = [];
      if (!sequence.aborted) attempt(sequence, () => this.#accept(sequence, row));
    }
  }

  /** The next token and, while the guess holds, those after it. */
  async #decodeDraft(sequence: Sequence, draft: readonly number[]): Promise<void> {
    const { slot } = sequence;
    const ids = [...sequence.pending, ...draft];
    const step = { slot, ids, past: this.#slots.length(slot) };
    this.#batchSize = 1;
    const logits = await this.#timed('decode', ids.length, 1, () => this.#runner.verify(step));
    let held = 0;
    for (const row of logits) {
      await sequence.ready();
      if (sequence.aborted || sequence.finished || sequence.pending[0] !== ids[held]) break;
      this.#slots.decoded(slot, sequence.pending);
      sequence.pending = [];
      held += 1;
      attempt(sequence, () => this.#accept(sequence, row));
    }
    // The first row is the token that was pending anyway.
    const accepted = Math.max(held - 1, 0);
    sequence.drafted(draft.length, accepted);
    this.#totals.draftTokens += draft.length;
    this.#totals.draftAccepted += accepted;
  }

  /** A sequence whose grammar is slower than the model leaves the batch until it is ready: nobody waits for it. */
  #accept(sequence: Sequence, logits: Float32Array): void {
    const ready = sequence.ready();
    if (ready) {
      // The runner's own memory, which the next run overwrites.
      sequence.heldLogits = logits.slice();
      void ready.then(() => this.#wake());
      return;
    }
    sequence.accept(logits);
    if (sequence.pending.length > 0) this.#totals.generationTokens += 1;
  }

  #acceptHeld(): void {
    for (const sequence of this.#running) {
      const { heldLogits } = sequence;
      if (!heldLogits || sequence.aborted || sequence.ready()) continue;
      sequence.heldLogits = undefined;
      attempt(sequence, () => this.#accept(sequence, heldLogits));
    }
  }

  /** Chunks of one prompt after another, as long as the next one fits what is left of a chunk's tokens. */
  async #readPrompts(): Promise<void> {
    let budget = this.#runner.chunkTokens;
    for (;;) {
      const sequence = this.#nextPrompt();
      if (!sequence) return;
      const left = sequence.request.promptIds.length - sequence.promptDone;
      const tokens = Math.min(left, this.#runner.chunkTokens);
      if (tokens > budget) return;
      budget -= tokens;
      this.#lastRead = sequence;
      await this.#readChunk(sequence);
      this.#retireEnded();
    }
  }

  /** The one after whose chunk ran last, in the order of arrival. */
  #nextPrompt(): Sequence | undefined {
    const prompts = this.#running.filter(({ reading, awaited, ended }) => reading && !awaited && !ended);
    const last = this.#lastRead ? this.#running.indexOf(this.#lastRead) : -1;
    return prompts.find((sequence) => this.#running.indexOf(sequence) > last) ?? prompts[0];
  }

  async #readChunk(sequence: Sequence): Promise<void> {
    const { slot, promptDone } = sequence;
    const ids = sequence.request.promptIds.slice(promptDone, promptDone + this.#runner.chunkTokens);
    const step = { slot, ids, past: this.#slots.length(slot) };
    this.#reading = sequence;
    try {
      const logits = await this.#timed('prefill', ids.length, 1, () =>
        this.#runner.run(sequence.prompt ? { ...step, at: [...ids.keys()] } : step),
      );
      this.#slots.read(slot, ids);
      sequence.promptDone += ids.length;
      this.#totals.prefillTokens += ids.length;
      if (!sequence.aborted) await this.#advance(sequence, logits);
    } catch (error) {
      // The slot still holds what it held before the step, so only this request is lost.
      if (!sequence.aborted) sequence.fail(error);
    } finally {
      this.#reading = undefined;
    }
  }

  async #advance(sequence: Sequence, logits: Float32Array): Promise<void> {
    const { promptIds, onPrefill } = sequence.request;
    const { vocabularySize } = this.#runner;
    onPrefill?.(sequence.promptDone, promptIds.length);
    await sequence.prompt?.add(logits, vocabularySize);
    if (sequence.reading || sequence.aborted) return;
    sequence.promptRead();
    if (!sequence.finished) this.#accept(sequence, logits.subarray(-vocabularySize));
  }

  async #timed<T>(
    phase: StepRecord['phase'],
    tokens: number,
    sequences: number,
    run: () => Promise<T>,
  ): Promise<T> {
    const started = performance.now();
    const result = await run();
    this.#options.onStep?.({ phase, tokens, sequences, seconds: (performance.now() - started) / 1000 });
    return result;
  }
}

/** What throws here costs its own request only. */
function attempt(sequence: Sequence, action: () => void): void {
  try {
    action();
  } catch (error) {
    sequence.fail(error);
  }
}
