/** What holds the answer of one request to its grammar, token by token. */

export interface Constraint {
  /** Takes away (to -Infinity) every token that the grammar does not allow next; leaves at least one. */
  apply(logits: Float32Array): void;
  /** The token that was chosen. */
  accept(id: number): void;
  /** The request has ended. */
  close(): void;
}
