/**
 * What the engine and the grammar worker say to each other. Masks do not travel: a matcher has a block of shared memory
 * of a state, then one bit for each token.
 */
import type { Grammar } from '../grammar.ts';

export interface WorkerSettings {
  /** Model folder. */
  readonly folder: string;
  readonly vocabularySize: number;
  readonly eosTokenIds: readonly number[];
}

export type WorkerRequest =
  /** Answered by a CompileReply. */
  | { readonly type: 'compile'; readonly request: number; readonly grammar: Grammar }
  /** Answered, like accept, by the next mask in the block, or by a failure. */
  | {
      readonly type: 'open';
      readonly matcher: number;
      readonly grammar: Grammar;
      readonly block: SharedArrayBuffer;
    }
  | { readonly type: 'accept'; readonly matcher: number; readonly token: number }
  | { readonly type: 'close'; readonly matcher: number };

export interface CompileReply {
  readonly request: number;
  /** Of a GrammarError. */
  readonly refused: string | null;
}

export const maskState = { pending: 0, ready: 1, refused: 2, failed: 3 } as const;

const minMaskWords = 256;

/** The words after the state hold the mask, or the length and the UTF-8 of why there is none. */
export function allocateMask(vocabularySize: number): SharedArrayBuffer {
  const words = Math.max(Math.ceil(vocabularySize / 32), minMaskWords);
  return new SharedArrayBuffer((1 + words) * Int32Array.BYTES_PER_ELEMENT);
}

export function writeReason(block: Int32Array, reason: string): void {
  const room = new Uint8Array(block.buffer, 2 * Int32Array.BYTES_PER_ELEMENT);
  // Of a whole number of characters; TextEncoder stops before one that does not fit.
  block[1] = new TextEncoder().encodeInto(reason, room).written;
}

export function readReason(block: Int32Array): string {
  // A copy: TextDecoder refuses shared memory.
  const bytes = Uint8Array.from(new Uint8Array(block.buffer, 2 * Int32Array.BYTES_PER_ELEMENT, block[1]));
  return new TextDecoder().decode(bytes);
}
