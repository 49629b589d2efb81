/** One answer of the engine as text: decoded, cut at stop strings, timed. Both endpoints are faces of this. */
import { EngineError, type GeneratedToken, type Generation, type PromptToken } from '../engine/engine.ts';
import type { SamplingSettings } from '../engine/sampling/settings.ts';
import type { RequestTimer } from '../request-timer.ts';
import { contextLengthExceeded, invalidRequest, stopping } from './errors.ts';
import type { Served } from './model-state.ts';

export interface TextPiece {
  readonly text: string;
  /** Absent in the last piece, which is text that was held back. */
  readonly token?: GeneratedToken;
}

export interface TextRequest extends SamplingSettings {
  readonly promptIds: readonly number[];
  /** The field that carried the prompt. */
  readonly param: string;
  readonly stop: string | readonly string[] | null;
  /** null is all that fits, and that newTokenLimit allows. */
  readonly maxTokens: number | null;
  readonly newTokenLimit: number | null;
  /** Whether the answer is the rest of a text, not a message of its own. */
  readonly continues: boolean;
  /** Which answer to its prompt it is; the prompt is counted once. */
  readonly choice: number;
}

/** One request for each of the n answers to a prompt: a given seed is that of the first one. */
export const choicesOf = (n: number, request: Omit<TextRequest, 'choice'>): TextRequest[] =>
  Array.from({ length: n }, (_, choice) => ({
    ...request,
    choice,
    seed: request.seed === null ? null : request.seed + choice,
  }));

export class TextGeneration {
  readonly promptTokens: number;
  readonly choice: number;
  completionTokens = 0;
  /** Final once the pieces have ended. */
  finish: 'stop' | 'length' = 'length';
  /** Whether the server stopped in the middle of the answer; it then finishes as one that is too long. */
  cut = false;
  readonly #served: Served;
  readonly #request: TextRequest;
  readonly #signal: AbortSignal;
  readonly #timer: RequestTimer;
  readonly #generation: Generation;

  /** Throws at once if the request cannot be served; else it is in the engine's queue. */
  constructor(served: Served, request: TextRequest, signal: AbortSignal) {
    const { engine, metrics } = served;
    const {
      param,
      stop: _,
      continues: __,
      maxTokens: maxNew,
      newTokenLimit,
      choice,
      ...engineRequest
    } = request;
    const { length: prompt } = request.promptIds;
    const room = engine.maxModelLen - prompt;
    if (room < (maxNew ?? 1)) {
      metrics.reject('prompt_too_long');
      throw contextLengthExceeded(param, { prompt, maxNew, maxModelLen: engine.maxModelLen });
    }
    checkTokenIds(request, engine.vocabularySize);
    this.promptTokens = prompt;
    this.choice = choice;
    this.#served = served;
    this.#request = request;
    this.#signal = signal;
    const timer = metrics.startRequest(prompt);
    this.#timer = timer;
    const onPrefill = () => timer.prefill();
    const maxTokens = maxNew ?? Math.min(room, newTokenLimit ?? room);
    try {
      this.#generation = engine.generate({ ...engineRequest, maxTokens, onPrefill }, signal);
    } catch (error) {
      const full = error instanceof EngineError && error.code === 'QUEUE_FULL';
      metrics.reject(full ? 'queue_full' : 'invalid');
      throw error;
    }
  }

  get cachedTokens(): number {
    return this.#generation.cachedTokens;
  }

  /** null if they were not asked for, or nobody waits for them any more. */
  get promptLogprobs(): Promise<readonly (PromptToken | null)[] | null> {
    return this.#generation.promptLogprobs;
  }

  /** Read it once. It ends quietly when the signal aborts. */
  async *pieces(): AsyncGenerator<TextPiece> {
    const { stop, continues, promptIds } = this.#request;
    const decoder = this.#served.tokenizer.streamDecoder({ stop, after: continues ? promptIds : [] });
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
      if (this.#signal.aborted) return;
      // Without a client that left it is the engine that is closing.
      if (this.completionTokens === 0) throw stopping();
      this.cut = true;
      return;
    }
    this.finish = reason;
    this.#timer.end(reason);
  }
}

/** Ids beyond the vocabulary would be ignored; the client means another model. */
function checkTokenIds({ stopTokenIds, logitBias }: TextRequest, vocabularySize: number): void {
  const check = (ids: Iterable<number>, param: string): void => {
    for (const id of ids)
      if (id >= vocabularySize)
        throw invalidRequest(`${param}: token id ${id} is not below ${vocabularySize}`, param);
  };
  check(stopTokenIds, 'stop_token_ids');
  check(logitBias.keys(), 'logit_bias');
}

export function usageOf(generations: readonly TextGeneration[]) {
  const sum = (of: readonly TextGeneration[], value: (generation: TextGeneration) => number) =>
    of.reduce((total, generation) => total + value(generation), 0);
  const first = generations.filter(({ choice }) => choice === 0);
  const prompt = sum(first, (generation) => generation.promptTokens);
  const completion = sum(generations, (generation) => generation.completionTokens);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(first, (generation) => generation.cachedTokens) },
  };
}
