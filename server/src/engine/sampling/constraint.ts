/** What holds the answer of one request to its grammar, token by token. */

export interface Constraint {
  /** Settles, and never fails, when `apply` may be called for the next token; undefined where that is now. */
  ready(): Promise<void> | undefined;
  /** Takes away (to -Infinity) every token that the grammar does not allow next; leaves at least one. Throws where the grammar cannot be kept. */
  apply(logits: Float32Array): void;
  /** The token that was chosen. */
  accept(id: number): void;
  /** The request has ended. */
  close(): void;
}
