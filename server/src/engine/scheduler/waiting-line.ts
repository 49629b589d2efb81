/** Requests that wait for a slot, in the order of arrival. */
import { EngineError } from '../engine.ts';
import type { Sequence } from './sequence.ts';

export class WaitingLine {
  readonly #sequences: Sequence[] = [];
  readonly #maxTokens: number;

  constructor(maxTokens: number | null) {
    this.#maxTokens = maxTokens ?? Number.POSITIVE_INFINITY;
  }

  get length(): number {
    return this.#sequences.length;
  }

  /** Of the prompts. */
  get tokens(): number {
    return tokensOf(this.#sequences);
  }

  get first(): Sequence | undefined {
    return this.#sequences[0];
  }

  /** `idleSlots` requests are about to leave the line; the ones behind them count against the limit. */
  check(promptTokens: number, idleSlots: number): void {
    if (this.#sequences.length < Math.max(idleSlots, 1)) return;
    const tokens = tokensOf(this.#sequences.slice(idleSlots));
    if (tokens + promptTokens <= this.#maxTokens) return;
    const message = `${tokens} prompt tokens wait already; with ${promptTokens} more they pass the limit of ${this.#maxTokens}`;
    throw new EngineError('QUEUE_FULL', message);
  }

  push(sequence: Sequence): void {
    this.#sequences.push(sequence);
  }

  shift(): void {
    this.#sequences.shift();
  }

  /** Whether it waited. */
  remove(sequence: Sequence): boolean {
    const at = this.#sequences.indexOf(sequence);
    if (at >= 0) this.#sequences.splice(at, 1);
    return at >= 0;
  }

  clear(): Sequence[] {
    return this.#sequences.splice(0);
  }
}

const tokensOf = (sequences: readonly Sequence[]): number =>
  sequences.reduce((sum, { request }) => sum + request.promptIds.length, 0);
