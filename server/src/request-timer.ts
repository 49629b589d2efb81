/** The clock of one request: queue, prefill, decode. */

export type EndReason = 'stop' | 'length' | 'abort' | 'error';

export interface Outcome {
  readonly reason: EndReason;
  /** Where the request was when it ended. */
  readonly phase: 'queue' | 'prefill' | 'decode';
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Seconds; a phase that was not left has none. */
  readonly whole: number;
  readonly queue: number | undefined;
  readonly prefill: number | undefined;
  readonly decode: number | undefined;
}

export interface RequestObserver {
  firstToken(seconds: number): void;
  nextToken(secondsSinceLast: number): void;
  end(outcome: Outcome): void;
}

const secondsBetween = (from: number | undefined, to: number | undefined): number | undefined =>
  from === undefined || to === undefined ? undefined : (to - from) / 1000;

export class RequestTimer {
  readonly #promptTokens: number;
  readonly #observer: RequestObserver;
  readonly #started = performance.now();
  #admitted: number | undefined;
  #firstToken: number | undefined;
  #lastToken: number | undefined;
  #completionTokens = 0;
  #ended = false;

  constructor(promptTokens: number, observer: RequestObserver) {
    this.#promptTokens = promptTokens;
    this.#observer = observer;
  }

  /** The request has its slot, or got further with its prompt. */
  prefill(): void {
    this.#admitted ??= performance.now();
  }

  token(): void {
    const now = performance.now();
    this.#completionTokens += 1;
    if (this.#lastToken === undefined) this.#observer.firstToken((now - this.#started) / 1000);
    else this.#observer.nextToken((now - this.#lastToken) / 1000);
    this.#firstToken ??= now;
    this.#lastToken = now;
  }

  /** The first end counts. */
  end(reason: EndReason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#observer.end({
      reason,
      phase: this.#firstToken !== undefined ? 'decode' : this.#admitted !== undefined ? 'prefill' : 'queue',
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      whole: (performance.now() - this.#started) / 1000,
      queue: secondsBetween(this.#started, this.#admitted),
      prefill: secondsBetween(this.#admitted, this.#firstToken),
      decode: secondsBetween(this.#firstToken, this.#lastToken),
    });
  }
}
