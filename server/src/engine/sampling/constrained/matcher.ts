/** One answer's grammar, seen from the event loop: asks the worker for the mask after each token, and never blocks. */

import { EngineError } from '../../engine.ts';
import type { Constraint } from '../constraint.ts';
import type { Grammar } from '../grammar.ts';
import { MaskBlock, type WorkerRequest } from './protocol.ts';
import { applyMask } from './token-mask.ts';

export class Matcher implements Constraint {
  readonly #id: number;
  readonly #block: MaskBlock;
  readonly #send: (request: WorkerRequest) => void;
  readonly #onClose: () => void;
  /** Requests to which the block's count is compared. */
  #asked = 1;

  constructor(
    id: number,
    {
      grammar,
      vocabularySize,
      send,
      onClose,
    }: {
      grammar: Grammar;
      vocabularySize: number;
      send: (request: WorkerRequest) => void;
      onClose: () => void;
    },
  ) {
    this.#id = id;
    this.#send = send;
    this.#onClose = onClose;
    this.#block = MaskBlock.of(vocabularySize);
    send({ type: 'open', matcher: id, grammar, block: this.#block.buffer });
  }

  /** The mask was asked for with the last token: most often it came while the model ran. */
  ready(): Promise<void> | undefined {
    return this.#block.answered === this.#asked ? undefined : this.#block.answers(this.#asked);
  }

  apply(logits: Float32Array): void {
    if (this.ready()) throw new Error('the mask of the next token is not there yet');
    const { outcome, mask } = this.#block;
    if (outcome === 'refused') throw formatRefused(this.#block.reason);
    if (outcome === 'failed') throw new Error(this.#block.reason);
    applyMask(mask, logits);
  }

  accept(token: number): void {
    this.#asked += 1;
    this.#send({ type: 'accept', matcher: this.#id, token });
  }

  close(): void {
    this.#send({ type: 'close', matcher: this.#id });
    this.#onClose();
  }

  /** The worker is gone: what it was asked for does not come. */
  fail(reason: string): void {
    this.#block.writeReason('failed', reason, this.#asked - this.#block.answered);
  }
}

export const formatRefused = (reason: string): EngineError =>
  new EngineError('REQUEST_INVALID', `the answer's format: ${reason}`);
