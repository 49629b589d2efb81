/** Test fixture: an app over an engine that answers a script, token by token, and obeys the engine's interface. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokenizer, type Tokenizer } from '@longpo/tokens';
import { byteVocabularySize, writeByteTokenizer } from '@longpo/tokens/fixture';
import {
  type Engine,
  EngineError,
  type EngineStats,
  type FinishReason,
  type GeneratedToken,
  type GenerateRequest,
  type Generation,
  type PromptToken,
} from '../engine/engine.ts';
import { createMetrics, type MetricsOptions } from '../metrics.ts';
import { type AppOptions, createApp } from './app.ts';
import type { ModelState } from './model-state.ts';

/** The byte tokenizer of the small test models. */
export async function byteTokenizer(): Promise<Tokenizer> {
  const folder = await mkdtemp(join(tmpdir(), 'byte-tokenizer-'));
  await writeByteTokenizer(folder);
  const tokenizer = await openTokenizer(folder);
  await rm(folder, { recursive: true });
  return tokenizer;
}

export class ScriptedEngine implements Engine {
  maxModelLen = 100;
  readonly vocabularySize = byteVocabularySize;
  readonly eosTokenIds = [2];
  readonly kvType = 'f32';
  readonly digest = `sha256:${'0'.repeat(64)}`;
  /** What is answered to every prompt before the model's own end of text. */
  script: readonly number[] = [];
  /** Waited for before each token; a rejection fails the request. */
  beforeToken: (index: number, request: GenerateRequest) => Promise<unknown> | undefined = () => undefined;
  cachedTokens = 0;
  /** Ends every request before its first token, as an engine that is closed. */
  closes = false;
  /** Thrown at every request. */
  refusal: EngineError | undefined;
  readonly requests: GenerateRequest[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  readonly ends: FinishReason[] = [];
  #over = false;
  readonly #closed = Promise.withResolvers<void>();
  readonly #totals = { prefixCacheQueries: 0, prefixCacheHits: 0, promptTokens: 0, generationTokens: 0 };

  generate(request: GenerateRequest, signal?: AbortSignal): Generation {
    if (this.refusal) throw this.refusal;
    const outside = request.promptIds.find((id) => id >= this.vocabularySize);
    if (outside !== undefined) throw new EngineError('TOKEN_OUT_OF_RANGE', `token id ${outside}: too large`);
    this.requests.push(request);
    this.signals.push(signal);
    const { promise, resolve, reject } = Promise.withResolvers<FinishReason>();
    promise.then(
      (reason) => this.ends.push(reason),
      () => undefined,
    );
    return {
      cachedTokens: this.cachedTokens,
      tokens: this.#tokens(request, signal, { resolve, reject }),
      finishReason: promise,
      promptLogprobs: Promise.resolve(
        request.promptLogprobs === null ? null : promptLogprobs(request.promptIds, request.promptLogprobs),
      ),
    };
  }

  async *#tokens(
    request: GenerateRequest,
    signal: AbortSignal | undefined,
    settle: { resolve(reason: FinishReason): void; reject(error: unknown): void },
  ): AsyncGenerator<GeneratedToken> {
    const gone = new Promise<void>((resolve) => {
      signal?.addEventListener('abort', () => resolve());
      if (signal?.aborted) resolve();
    });
    const { promptIds, maxTokens } = request;
    this.#totals.promptTokens += promptIds.length;
    this.#totals.prefixCacheQueries += promptIds.length;
    this.#totals.prefixCacheHits += this.cachedTokens;
    request.onPrefill?.(this.cachedTokens, promptIds.length);
    let reason: FinishReason = 'abort';
    try {
      if (this.closes) return;
      for (const [index, id] of this.script.slice(0, maxTokens).entries()) {
        await Promise.race([gone, this.#closed.promise, this.beforeToken(index, request)]);
        if (this.#over || signal?.aborted) return;
        this.#totals.generationTokens += 1;
        yield this.#token(id, request.topLogprobs);
      }
      reason = maxTokens <= this.script.length ? 'length' : 'stop';
    } catch (error) {
      settle.reject(error);
      throw error;
    } finally {
      settle.resolve(reason);
    }
  }

  /** The chosen token has the second place. */
  #token(id: number, top: number | null): GeneratedToken {
    if (top === null) return { id, logprob: null, topLogprobs: [] };
    const others = [id - 1, id, id - 2].map((other, i) => ({ id: other, logprob: -0.5 * (i + 1) }));
    return { id, logprob: -1, topLogprobs: others.slice(0, top) };
  }

  stats(): EngineStats {
    return {
      running: 1,
      waiting: 2,
      queuedTokens: 30,
      kvTokensUsed: 50,
      kvTokensCapacity: 200,
      kvBytesUsed: 5000,
      kvBytesReserved: 10_000,
      kvBytesOnDisk: 7000,
      batchSize: 1,
      prefillTokens: 0,
      evictions: 0,
      draftTokens: 0,
      draftAccepted: 0,
      ...this.#totals,
    };
  }

  /** Ends what runs as an engine does that closes. */
  async close(): Promise<void> {
    this.#over = true;
    this.#closed.resolve();
  }
}

/** The token at a place has the log-probability -place, and is second to the id below it. */
const promptLogprobs = (ids: readonly number[], top: number): (PromptToken | null)[] =>
  ids.map((id, place) => {
    if (place === 0) return null;
    const others = [id - 1, id].map((other, i) => ({ id: other, logprob: i === 0 ? -0.25 : -place }));
    return { id, logprob: -place, topLogprobs: others.slice(0, top) };
  });

export type LogLine = Readonly<Record<string, unknown>>;

type AppSettings = Pick<AppOptions, 'limits' | 'apiKeys' | 'corsOrigins'> & MetricsOptions;

export function testApp(
  tokenizer: Tokenizer,
  script = '',
  { vllmNames = false, ...settings }: AppSettings = {},
) {
  const engine = new ScriptedEngine();
  engine.script = tokenizer.encode(script);
  const metrics = createMetrics('tiny', () => engine, { vllmNames });
  const lines: LogLine[] = [];
  const readyState: ModelState = {
    phase: 'ready',
    model: {
      name: 'tiny',
      created: 1_700_000_000,
      engine,
      tokenizer,
      encode: async (text, options) => tokenizer.encode(text, options),
      metrics,
    },
  };
  let state: ModelState = readyState;
  const app = createApp({
    state: () => state,
    metrics,
    log: (values) => lines.push(values),
    ...settings,
  });
  const post = (path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
    Promise.resolve(
      app.request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': 'test' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
      }),
    );
  return {
    app,
    engine,
    lines,
    readyState,
    setState(next: ModelState) {
      state = next;
    },
    post,
    chat: (fields: object, init?: RequestInit) =>
      post(
        '/v1/chat/completions',
        { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], ...fields },
        init,
      ),
    complete: (fields: object, init?: RequestInit) =>
      post('/v1/completions', { model: 'tiny', prompt: 'Hi', ...fields }, init),
  };
}

/** The payloads of a finished event stream; comments are left out. */
export async function eventsOf(response: Response): Promise<unknown[]> {
  const blocks = (await response.text()).split('\n\n').filter((block) => block.startsWith('data: '));
  return blocks.map((block) => {
    const data = block.slice('data: '.length);
    return data === '[DONE]' ? data : JSON.parse(data);
  });
}
