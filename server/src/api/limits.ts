/** What one request may ask for, beyond what the model itself can hold. */
export interface RequestLimits {
  /** null: from the length of the context. */
  readonly bodyBytes: number | null;
  /** New tokens of one answer; null: what the context has room for. */
  readonly newTokens: number | null;
  /** Stop strings, and stop token ids. */
  readonly stops: number;
  /** Answers to one prompt (n). */
  readonly choices: number;
}

export const defaultLimits: RequestLimits = { bodyBytes: null, newTokens: null, stops: 32, choices: 16 };

const bytesPerToken = 16;
const minBodyBytes = 1 << 20;

/** Room for a full context as JSON token ids or text. */
export const bodyBytesOf = (maxModelLen: number): number =>
  Math.max(maxModelLen * bytesPerToken, minBodyBytes);
