/**
 * What the HTTP layer may ask of an engine. One engine serves one model folder; requests are admitted first come
 * first served onto KV slots and their steps are interleaved.
 */
import type { Quantization } from '@longpo/api';

export interface GenerateRequest {
  readonly promptIds: readonly number[];
  /** New tokens at most; cut to what is left of maxModelLen. */
  readonly maxTokens: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** 0 is off. */
  readonly topK: number;
  /** The same seed gives the same text whatever else runs; null draws one. */
  readonly seed: number | null;
  readonly stopTokenIds: readonly number[];
  /** Go on past the model's own end-of-text tokens; stopTokenIds still stop. */
  readonly ignoreEos: boolean;
  /** null: no log-probabilities; n: that of the chosen token and of the n most likely ones. */
  readonly topLogprobs: number | null;
  /** Called when the request gets its slot (with the reused tokens as done) and after every chunk of the prompt. */
  readonly onPrefill?: (done: number, total: number) => void;
}

export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

export interface GeneratedToken {
  readonly id: number;
  readonly logprob: number | null;
  /** Most likely first; empty unless asked for. */
  readonly topLogprobs: readonly TokenLogprob[];
}

export type FinishReason = 'stop' | 'length' | 'abort';

export interface Generation {
  /** Prompt tokens whose keys and values were already there; 0 until the request has a slot, then final. */
  readonly cachedTokens: number;
  /**
   * Ends at a stop token (which is not yielded), at maxTokens, or quietly when aborted; throws if the engine fails.
   * Read it once. Leaving the loop early aborts the request.
   */
  readonly tokens: AsyncIterable<GeneratedToken>;
  /** Settles when the last token is known; rejects if the engine fails. */
  readonly finishReason: Promise<FinishReason>;
}

/** Gauges are of this moment, the rest are totals since the engine opened. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly kvTokensUsed: number;
  readonly kvTokensCapacity: number;
  /** Prompt tokens looked up, and found, in the slots. */
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
  readonly promptTokens: number;
  readonly generationTokens: number;
}

export interface Engine {
  readonly maxModelLen: number;
  readonly vocabularySize: number;
  readonly eosTokenIds: readonly number[];
  /** Names the content of the model folder: that of the checkpoint manifest, or of the plain folder's files. */
  readonly digest: string;
  /** Throws an EngineError at once if the request cannot be served (empty or too long a prompt, id out of range). */
  generate(request: GenerateRequest, signal?: AbortSignal): Generation;
  stats(): EngineStats;
  /** Aborts what runs or waits, then gives all native memory back. Safe to call twice. */
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Hugging Face model folder or a LongPO checkpoint. */
  readonly directory: string;
  readonly quantization: Quantization;
  /** Folder for quantised weights. */
  readonly cache: string;
  /** Tokens; null is max_position_embeddings. */
  readonly maxModelLen: number | null;
  readonly ropeTheta: number | null;
  /** KV slots. */
  readonly parallelSequences: number;
  /** Threads of one run. */
  readonly threads: number;
  /** Bytes read, hashed or quantised so far, of how many. */
  readonly onLoad?: (completed: number, total: number) => void;
}

/** openEngine in open-engine.ts is of this type; it throws a ModelError if the folder cannot be served. */
export type OpenEngine = (options: EngineOptions) => Promise<Engine>;

/** A request that the engine cannot serve; the caller's fault. */
export class EngineError extends Error {
  readonly code:
    | 'PROMPT_EMPTY'
    | 'PROMPT_TOO_LONG'
    | 'TOKEN_OUT_OF_RANGE'
    | 'REQUEST_INVALID'
    | 'ENGINE_CLOSED';

  constructor(code: EngineError['code'], message: string) {
    super(message);
    this.name = 'EngineError';
    this.code = code;
  }
}
