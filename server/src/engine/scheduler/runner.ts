/** What the scheduler needs of a model: chunks of a prompt on one slot, and one token each for several slots. */

export interface Step {
  readonly slot: number;
  /** Tokens to append to the slot. */
  readonly ids: readonly number[];
  /** Tokens that the slot holds already. */
  readonly past: number;
  /** Indexes into ids whose logits are wanted; the last one unless given. */
  readonly at?: readonly number[];
}

/** The last token of a sequence, which it holds not yet. */
export interface DecodeRow {
  readonly slot: number;
  readonly id: number;
  readonly past: number;
}

export interface Runner {
  readonly slots: number;
  /** Tokens that a slot holds at most. */
  readonly positions: number;
  /** Tokens of one step at most. */
  readonly chunkTokens: number;
  readonly vocabularySize: number;
  /** A decoded token leaves the same keys and values, bit for bit, as one that was read in a chunk. */
  readonly decodesAsItReads: boolean;
  /** Tokens that `verify` takes beyond the first; 0 if it is not to be used. */
  readonly maxDraft: number;
  /** Memory that so many tokens of a slot take. */
  kvBytes(tokens: number): number;
  /** Logits of the wanted positions, one row each; valid until the next call. One call at a time. */
  run(step: Step): Promise<Float32Array>;
  /** Logits after each row, in the order of the rows, whose slots differ; as `run` otherwise. */
  decode(rows: readonly DecodeRow[]): Promise<Float32Array[]>;
  /** Logits after each of the ids: those that decoding them one after another would give. */
  verify(step: Step): Promise<Float32Array[]>;
  /** Makes the call in flight reject with RunTerminated. */
  terminate(): void;
  /** The memory of the slot's leading tokens: to be written out, or filled with what was. */
  memory(slot: number, tokens: number): Uint8Array[];
  /** The slot will hold so many tokens: memory for them may come in larger pieces. */
  expect(slot: number, tokens: number): void;
  /** Forgets the slot's tokens from `length` on and gives their memory back. */
  truncate(slot: number, length: number): void;
  close(): Promise<void>;
}
