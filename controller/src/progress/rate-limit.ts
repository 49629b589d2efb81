/** One bucket of tokens per key, for whoever asks too often; keys are forgotten once their bucket is full again. */
export interface RateLimitOptions {
  burst: number;
  perSecond: number;
  /** Monotonic, ms. */
  nowMs?(): number;
  /** Keys held at most: the one that asked longest ago goes first. */
  maxKeys?: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimit {
  readonly #options: Required<RateLimitOptions>;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = { nowMs: () => performance.now(), maxKeys: 10_000, ...options };
  }

  /** 0 when the key may go on; else the seconds after which it may, and nothing is taken. */
  take(key: string): number {
    const { burst, perSecond, nowMs, maxKeys } = this.#options;
    const atMs = nowMs();
    const held = this.#buckets.get(key) ?? { tokens: burst, atMs };
    const tokens = Math.min(burst, held.tokens + ((atMs - held.atMs) * perSecond) / 1000);
    this.#buckets.delete(key);
    this.#forgetFull(atMs, maxKeys);
    this.#buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs });
    return tokens >= 1 ? 0 : (1 - tokens) / perSecond;
  }

  /** Keys that are held. */
  get size(): number {
    return this.#buckets.size;
  }

  #forgetFull(nowMs: number, maxKeys: number): void {
    const { burst, perSecond } = this.#options;
    const fullAfterMs = (burst / perSecond) * 1000;
    for (const [key, { atMs }] of this.#buckets) {
      if (nowMs - atMs < fullAfterMs && this.#buckets.size < maxKeys) return;
      this.#buckets.delete(key);
    }
  }
}
