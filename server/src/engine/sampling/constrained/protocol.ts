/**
 * What the engine and the grammar worker say to each other. Masks do not travel: a matcher has a block of shared memory,
 * in which the worker counts the requests it has answered, so that a mask is never taken for that of another token.
 */
import type { Grammar } from '../grammar.ts';

export interface WorkerSettings {
  /** Text of tokenizer.json as the engine found it; the folder may hold another model by now. */
  readonly tokenizer: string;
  readonly vocabularySize: number;
  readonly eosTokenIds: readonly number[];
}

export type WorkerRequest =
  /** Answered, like accept, by the next mask in the block, or by why there is none. */
  | {
      readonly type: 'open';
      readonly matcher: number;
      readonly grammar: Grammar;
      readonly block: SharedArrayBuffer;
    }
  | { readonly type: 'accept'; readonly matcher: number; readonly token: number }
  | { readonly type: 'close'; readonly matcher: number };

const minContentWords = 256;

/** Words of a block: requests answered, how the last one was, and the mask, or the length and the UTF-8 of a reason. */
const at = { answered: 0, outcome: 1, content: 2 } as const;

const outcomes = ['mask', 'refused', 'failed'] as const;
/** refused: the grammar is at fault. */
export type Outcome = (typeof outcomes)[number];

/** One side writes what the other has asked for, and then counts; the other reads when the count is its own. */
export class MaskBlock {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  static of(vocabularySize: number): MaskBlock {
    const words = at.content + Math.max(Math.ceil(vocabularySize / 32), minContentWords);
    return new MaskBlock(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
  }

  get answered(): number {
    return Atomics.load(this.#words, at.answered);
  }

  get outcome(): Outcome {
    return outcomes[this.#words[at.outcome] ?? 0] ?? 'failed';
  }

  /** Valid while the outcome is a mask. */
  get mask(): Int32Array {
    return this.#words.subarray(at.content);
  }

  get reason(): string {
    const bytes = this.#reasonBytes().subarray(0, this.#words[at.content]);
    // A copy: TextDecoder refuses shared memory.
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  /** When so many requests, and perhaps more, have been answered. */
  async answers(count: number): Promise<void> {
    for (let { answered } = this; answered < count; answered = this.answered) {
      const waiting = Atomics.waitAsync(this.#words, at.answered, answered);
      if (waiting.async) await waiting.value;
    }
  }

  writeMask(mask: Int32Array): void {
    this.#words.set(mask, at.content);
    this.#count('mask', 1);
  }

  /** `requests` are answered so at once. */
  writeReason(outcome: Exclude<Outcome, 'mask'>, reason: string, requests: number): void {
    // TextEncoder stops before a character that does not fit.
    this.#words[at.content] = new TextEncoder().encodeInto(reason, this.#reasonBytes()).written;
    this.#count(outcome, requests);
  }

  #reasonBytes(): Uint8Array {
    return new Uint8Array(this.buffer, (at.content + 1) * Int32Array.BYTES_PER_ELEMENT);
  }

  #count(outcome: Outcome, requests: number): void {
    this.#words[at.outcome] = outcomes.indexOf(outcome);
    Atomics.add(this.#words, at.answered, requests);
    Atomics.notify(this.#words, at.answered);
  }
}
