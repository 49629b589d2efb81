/** What the scheduler needs of a model: one step at a time on one slot. */

export interface Step {
  readonly slot: number;
  /** Tokens to append to the slot. */
  readonly ids: readonly number[];
  /** Tokens that the slot holds already. */
  readonly past: number;
  /** Indexes into ids whose logits are wanted; the last one unless given. */
  readonly at?: readonly number[];
}

export interface Runner {
  readonly slots: number;
  /** Tokens that a slot holds at most. */
  readonly positions: number;
  /** Tokens of one step at most. */
  readonly chunkTokens: number;
  readonly vocabularySize: number;
  /** Logits of the wanted positions, one row each; valid until the next step. One step at a time. */
  run(step: Step): Promise<Float32Array>;
  /** Makes the step in flight reject with RunTerminated. */
  terminate(): void;
  /** Forgets the slot's tokens from `length` on and gives their memory back. */
  truncate(slot: number, length: number): void;
  close(): Promise<void>;
}
