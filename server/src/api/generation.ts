/** One answer of the engine as text: decoded, cut at stop strings, timed. Both endpoints are faces of this. */
import type { GeneratedToken, Generation } from '../engine/engine.ts';
import type { RequestTimer } from '../request-timer.ts';
import { contextLengthExceeded, stopping } from './errors.ts';
import type { Served } from './model-state.ts';
import type { Sampling } from './requests.ts';

export interface TextPiece {
  readonly text: string;
  /** Absent in the last piece, which is text that was held back. */
  readonly token?: GeneratedToken;
}

export interface TextRequest extends Sampling {
  readonly promptIds: readonly number[];
  /** The field that carried the prompt. */
  readonly param: string;
}

export class TextGeneration {
  readonly promptTokens: number;
  completionTokens = 0;
  /** Final once the pieces have ended. */
  finish: 'stop' | 'length' = 'length';
  readonly #served: Served;
  readonly #request: TextRequest;
  readonly #signal: AbortSignal;
  readonly #timer: RequestTimer;
  readonly #generation: Generation;

  /** Throws at once if the request cannot be served; else it is in the engine's queue. */
  constructor(served: Served, request: TextRequest, signal: AbortSignal) {
    const { engine, metrics } = served;
    const { promptIds, param, stop: _, maxTokens: maxNew, ...sampling } = request;
    const { length: prompt } = promptIds;
    const room = engine.maxModelLen - prompt;
    if (room < (maxNew ?? 1))
      throw contextLengthExceeded(param, { prompt, maxNew, maxModelLen: engine.maxModelLen });
    this.promptTokens = prompt;
    this.#served = served;
    this.#request = request;
    this.#signal = signal;
    const timer = metrics.startRequest(prompt);
    this.#timer = timer;
    const onPrefill = () => timer.prefill();
    this.#generation = engine.generate(
      { promptIds, maxTokens: maxNew ?? room, stopTokenIds: [], onPrefill, ...sampling },
      signal,
    );
  }

  get cachedTokens(): number {
    return this.#generation.cachedTokens;
  }

  /** Read it once. It ends quietly when the signal aborts. */
  async *pieces(): AsyncGenerator<TextPiece> {
    const decoder = this.#served.tokenizer.streamDecoder(this.#request.stop);
    try {
      for await (const token of this.#generation.tokens) {
        this.completionTokens += 1;
        this.#timer.token();
        yield { text: decoder.push(token.id), token };
        // Leaving the loop tells the engine to stop.
        if (decoder.stopped) break;
      }
      const rest = decoder.stopped ? '' : decoder.end();
      if (rest !== '') yield { text: rest };
      await this.#settle(decoder.stopped);
    } catch (error) {
      this.#timer.end('error');
      throw error;
    } finally {
      this.#timer.end('abort');
    }
  }

  async #settle(stopped: boolean): Promise<void> {
    const reason = stopped ? 'stop' : await this.#generation.finishReason;
    if (reason === 'abort') {
      // Without a client that left it is the engine that is closing.
      if (!this.#signal.aborted) throw stopping();
      return;
    }
    this.finish = reason;
    this.#timer.end(reason);
  }
}

export function usageOf(generations: readonly TextGeneration[]) {
  const sum = (value: (generation: TextGeneration) => number) =>
    generations.reduce((total, generation) => total + value(generation), 0);
  const prompt = sum((generation) => generation.promptTokens);
  const completion = sum((generation) => generation.completionTokens);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum((generation) => generation.cachedTokens) },
  };
}
