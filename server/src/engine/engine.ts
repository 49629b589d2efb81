/**
 * What the HTTP layer may ask of an engine. One engine serves one model folder; requests are admitted first come
 * first served onto KV slots and their decode steps run together.
 */
import type { Quantization } from '@longpo/api';
import type { SamplingSettings } from './sampling/settings.ts';

/** `defaultSampling` has the values of all settings that change nothing. */
export interface GenerateRequest extends SamplingSettings {
  readonly promptIds: readonly number[];
  /** New tokens at most; cut to what is left of maxModelLen. 0 only reads the prompt, for its log-probabilities. */
  readonly maxTokens: number;
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

export interface PromptToken {
  readonly id: number;
  readonly logprob: number;
  /** Most likely first; the token itself may be missing. */
  readonly topLogprobs: readonly TokenLogprob[];
}

export type FinishReason = 'stop' | 'length' | 'abort';

export interface Generation {
  /**
   * Prompt tokens whose keys and values were already there, or were copied from another request that read them at the
   * same time; final with the first token.
   */
  readonly cachedTokens: number;
  /**
   * Ends at a stop token (which is not yielded), at maxTokens, or quietly when aborted; throws if the engine fails.
   * Read it once. Leaving the loop early aborts the request.
   */
  readonly tokens: AsyncIterable<GeneratedToken>;
  /** Settles when the last token is known; rejects if the engine fails. */
  readonly finishReason: Promise<FinishReason>;
  /**
   * One entry a prompt token, the first of which is null as nothing stands before it; known before the first new
   * token. null if they were not asked for or the request was aborted; rejects if the engine fails.
   */
  readonly promptLogprobs: Promise<readonly (PromptToken | null)[] | null>;
}

/** Gauges are of this moment, the rest are totals since the engine opened. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  /** Prompt tokens of the waiting requests. */
  readonly queuedTokens: number;
  readonly kvTokensUsed: number;
  readonly kvTokensCapacity: number;
  /** Of the tokens in the slots, and what running requests may grow to plus the prefixes that are kept. */
  readonly kvBytesUsed: number;
  readonly kvBytesReserved: number;
  /** Files of kept prefixes, which the next engine reads; 0 without a prefix cache. */
  readonly kvBytesOnDisk: number;
  /** Sequences of the last decode step; 0 before the first. */
  readonly batchSize: number;
  /** Prompt tokens looked up, and found, in the slots. */
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
  readonly promptTokens: number;
  /** Prompt tokens that were computed, not reused. */
  readonly prefillTokens: number;
  readonly generationTokens: number;
  /** Slots whose kept prefix was dropped for another request. A running request is never preempted. */
  readonly evictions: number;
  /** Tokens that prompt lookup proposed, and those of them that the model agreed to. */
  readonly draftTokens: number;
  readonly draftAccepted: number;
}

/** One run of the model. */
export interface StepRecord {
  readonly phase: 'prefill' | 'decode';
  readonly seconds: number;
  /** Tokens computed for requests, without padding. */
  readonly tokens: number;
  readonly sequences: number;
}

export interface Engine {
  readonly maxModelLen: number;
  readonly vocabularySize: number;
  readonly eosTokenIds: readonly number[];
  /** How keys and values are stored. */
  readonly kvType: KvType;
  /** Names the content of the model folder: that of the checkpoint manifest, or of the plain folder's files. */
  readonly digest: string;
  /** Throws an EngineError at once if the request cannot be served (empty or too long a prompt, full queue). */
  generate(request: GenerateRequest, signal?: AbortSignal): Generation;
  stats(): EngineStats;
  /** Aborts what runs or waits, then gives all native memory back. Safe to call twice. */
  close(): Promise<void>;
}

export type KvType = 'f32' | 'int8';

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
  /** Bytes that keys and values may take; null, the default, is every slot full. Opening fails below one context. */
  readonly kvMemory?: number | null;
  /** f32 unless given. int8 takes a quarter of the memory and rounds keys and values. */
  readonly kvType?: KvType;
  /** Prompt tokens that may wait; a request beyond them is refused with QUEUE_FULL. null, the default, is no limit. */
  readonly maxQueuedTokens?: number | null;
  /** Guess next tokens from the text so far and check several in one run; off unless given. Same greedy text. */
  readonly promptLookup?: boolean;
  /** Folder where prefixes of the slots are written while nothing is asked for and by `close`; null, the default, is none. */
  readonly prefixCache?: string | null;
  /** What went wrong without harm to any answer: a prefix that could not be written or read. */
  readonly onWarning?: (message: string) => void;
  /** Called after every run. */
  readonly onStep?: (step: StepRecord) => void;
  /** Bytes read, hashed or quantised so far, of how many. */
  readonly onLoad?: (completed: number, total: number) => void;
}

/** openEngine in open-engine.ts is of this type; it throws a ModelError if the folder cannot be served. */
export type OpenEngine = (options: EngineOptions) => Promise<Engine>;

/** A request that the engine does not serve: the caller's fault, or for QUEUE_FULL and ENGINE_CLOSED the moment's. */
export class EngineError extends Error {
  readonly code:
    | 'PROMPT_EMPTY'
    | 'PROMPT_TOO_LONG'
    | 'TOKEN_OUT_OF_RANGE'
    | 'REQUEST_INVALID'
    | 'QUEUE_FULL'
    | 'ENGINE_CLOSED';

  constructor(code: EngineError['code'], message: string) {
    super(message);
    this.name = 'EngineError';
    this.code = code;
  }
}
