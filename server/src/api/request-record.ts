/** One log line a request, written when the last byte is: counts and times, never a prompt or an answer. */

export type Log = (values: Readonly<Record<string, unknown>>) => void;

/** Variables of the Hono context. */
export interface ApiEnv {
  /** `client` is the request as it came: the body limit puts a copy into `c.req.raw`. */
  Variables: { record: RequestRecord; client: Request };
}

export class RequestRecord {
  readonly #values: Record<string, unknown>;
  readonly #started = performance.now();
  readonly #log: Log;
  /** The response goes on after its handler has returned; whoever writes it ends the record. */
  streaming = false;

  constructor(request: { request: string; method: string; path: string }, log: Log) {
    this.#values = { msg: 'request', ...request };
    this.#log = log;
  }

  add(values: Readonly<Record<string, unknown>>): void {
    Object.assign(this.#values, values);
  }

  end(): void {
    this.#log({ ...this.#values, ms: Math.round(performance.now() - this.#started) });
  }
}
