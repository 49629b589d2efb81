/**
 * JSON over HTTP to one API server: calls that are limited, timed and repeated where that is safe, and watches.
 * Nothing is turned into classes, and nothing here logs: what a request carried is never in an error.
 */
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAnswer } from './answer.ts';
import { ApiError, ConnectionError, isUnauthorized } from './api-error.ts';
import { type Backoff, jittered } from './backoff.ts';
import type { Connection } from './connection.ts';
import { isRepeatable, type Method } from './repeatable.ts';
import { TokenBucket } from './token-bucket.ts';
import { type WatchLine, watchLines } from './watch-lines.ts';

export type Query = Record<string, string | number | boolean | undefined>;

export interface CallOptions {
  query?: Query;
  body?: unknown;
  /** Of the body; application/json unless told. */
  contentType?: string;
  /** Time that one attempt may take once the rate limit lets it go. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Says that doing it twice is as good as once, where method and body do not show it. */
  repeatable?: boolean;
}

export interface CallRecord {
  verb: Method | 'WATCH';
  /** HTTP status; 0 when no answer came. */
  status: number;
  durationMs: number;
}

export interface TransportOptions {
  /** Told of every attempt, for metrics. */
  onCall?(record: CallRecord): void;
  userAgent?: string;
  perSecond?: number;
  burst?: number;
  timeoutMs?: number;
  attempts?: number;
  backoff?: Backoff;
  /** A watch without a byte for this long is taken for dead: bookmarks come about once a minute. */
  watchIdleMs?: number;
}

interface Outgoing {
  method: Method;
  path: string;
  query?: Query | undefined;
  body?: string | undefined;
  contentType?: string | undefined;
  signal: AbortSignal;
}

const defaults = {
  onCall: () => undefined,
  userAgent: 'longpo-controller',
  perSecond: 50,
  burst: 100,
  timeoutMs: 30_000,
  attempts: 5,
  backoff: { baseMs: 200, maxMs: 10_000 },
  watchIdleMs: 90_000,
};

export class Transport {
  readonly #connection: Connection;
  readonly #options: Required<TransportOptions>;
  readonly #bucket: TokenBucket;
  readonly #callAgent: http.Agent;
  /** Watches hold their connections for minutes, so they must not take those of the calls. */
  readonly #watchAgent: http.Agent;

  constructor(connection: Connection, options: TransportOptions = {}) {
    this.#connection = connection;
    this.#options = { ...defaults, ...options };
    this.#bucket = new TokenBucket(this.#options.perSecond, this.#options.burst);
    const { Agent } = connection.server.protocol === 'http:' ? http : https;
    // Idle connections are dropped before the server drops them, which a call that cannot be repeated would meet.
    this.#callAgent = new Agent({ keepAlive: true, maxSockets: 32, timeout: 30_000 });
    this.#watchAgent = new Agent({ keepAlive: true });
  }

  /** Resolves with the JSON of a 2xx answer; else an ApiError, or a ConnectionError when no answer came in time. */
  async call(method: Method, path: string, options: CallOptions = {}): Promise<unknown> {
    const repeatable = options.repeatable ?? isRepeatable(method, options.contentType, options.body);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#authorized(() => this.#attempt(method, path, options));
      } catch (error) {
        const isLast = attempt >= this.#options.attempts || options.signal?.aborted === true;
        if (isLast || !isWorthRepeating(error, repeatable)) throw error;
        await sleep(this.#delay(error, attempt), undefined, options.signal && { signal: options.signal });
      }
    }
  }

  /** Yields the lines of a watch until the server closes it; throws as `call` does, and when a line is broken. */
  async *watch(path: string, query: Query, signal: AbortSignal): AsyncGenerator<WatchLine> {
    await this.#bucket.take(signal);
    // An own controller, because the time limit is only for the answer to begin.
    const opening = new AbortController();
    const abort = () => opening.abort();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const limit = setTimeout(abort, this.#options.timeoutMs);
    try {
      const response = await this.#authorized(() => this.#openWatch(path, query, opening.signal));
      clearTimeout(limit);
      yield* watchLines(this.#whileItSpeaks(response));
    } finally {
      clearTimeout(limit);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Ends idle connections; calls that run still end by themselves. */
  close(): void {
    this.#callAgent.destroy();
    this.#watchAgent.destroy();
  }

  async #attempt(method: Method, path: string, options: CallOptions): Promise<unknown> {
    await this.#bucket.take(options.signal);
    const { query, body, contentType, timeoutMs = this.#options.timeoutMs } = options;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { answer } = await this.#recorded(method, async () => {
      try {
        const response = await this.#send(
          { method, path, query, body: text, contentType, signal },
          this.#callAgent,
        );
        return { status: response.statusCode ?? 0, answer: await readAnswer(response) };
      } catch (error) {
        if (timeout.aborted) throw new TimeoutError(`no answer to ${method} ${path} within ${timeoutMs} ms`);
        throw error;
      }
    });
    return answer;
  }

  async #openWatch(path: string, query: Query, signal: AbortSignal): Promise<http.IncomingMessage> {
    const { answer } = await this.#recorded('WATCH', async () => {
      const outgoing: Outgoing = { method: 'GET', path, query: { ...query, watch: true }, signal };
      const response = await this.#send(outgoing, this.#watchAgent);
      if (response.statusCode !== 200) await readAnswer(response);
      return { status: 200, answer: response };
    });
    return answer;
  }

  /** Passes the body on, and breaks it off once nothing has come for too long: half-open connections look like that. */
  async *#whileItSpeaks(response: http.IncomingMessage): AsyncGenerator<Buffer> {
    const silence = new ConnectionError('the watch was silent for too long');
    const idle = setTimeout(() => response.destroy(silence), this.#options.watchIdleMs);
    try {
      for await (const chunk of response) {
        idle.refresh();
        yield chunk;
      }
    } catch (cause) {
      throw cause === silence ? silence : new ConnectionError('the watch broke off', { cause });
    } finally {
      clearTimeout(idle);
    }
  }

  /** Once more with fresh credentials when they are refused: a token may have been replaced since it was read. */
  async #authorized<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      this.#connection.refresh();
      return await run();
    }
  }

  async #recorded<T extends { status: number }>(verb: CallRecord['verb'], run: () => Promise<T>): Promise<T> {
    const start = performance.now();
    let status = 0;
    try {
      const result = await run();
      status = result.status;
      return result;
    } catch (error) {
      if (error instanceof ApiError) status = error.status;
      throw error;
    } finally {
      this.#options.onCall({ verb, status, durationMs: performance.now() - start });
    }
  }

  async #send(outgoing: Outgoing, agent: http.Agent): Promise<http.IncomingMessage> {
    const { server, tls } = this.#connection;
    const credentials = await this.#connection.credentials();
    const { method, body, contentType = 'application/json', signal } = outgoing;
    const { request } = server.protocol === 'http:' ? http : https;
    return new Promise((resolve, reject) => {
      const outgoingRequest = request(
        {
          ...tls,
          ...credentials.tls,
          agent,
          signal,
          method,
          host: server.hostname.replace(/^\[|\]$/g, ''),
          port: server.port || (server.protocol === 'http:' ? 80 : 443),
          path: `${server.pathname.replace(/\/$/, '')}${outgoing.path}${search(outgoing.query)}`,
          headers: {
            accept: 'application/json',
            'user-agent': this.#options.userAgent,
            ...credentials.headers,
            ...(body !== undefined && {
              'content-type': contentType,
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        resolve,
      );
      outgoingRequest.on('error', (cause) =>
        reject(new ConnectionError(`${method} ${outgoing.path}: ${cause.message}`, { cause })),
      );
      outgoingRequest.end(body);
    });
  }

  #delay(error: unknown, attempt: number): number {
    const asked = error instanceof ApiError ? error.retryAfterSeconds : undefined;
    const own = jittered(this.#options.backoff, attempt);
    return asked === undefined ? own : asked * 1000 + own;
  }
}

/** Who is asked to wait for longer has better things to do meanwhile: the error says for how long. */
const maxPauseSeconds = 30;

/** Not repeated: the server may be busy with the first one, and the caller has waited long enough. */
class TimeoutError extends ConnectionError {}

function isWorthRepeating(error: unknown, repeatable: boolean): boolean {
  if (error instanceof TimeoutError) return false;
  if (error instanceof ConnectionError) return repeatable;
  if (!(error instanceof ApiError) || (error.retryAfterSeconds ?? 0) > maxPauseSeconds) return false;
  // 429 says that the request was not begun, whatever it was.
  return error.status === 429 || (repeatable && [500, 502, 503, 504].includes(error.status));
}

function search(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters}`;
}
