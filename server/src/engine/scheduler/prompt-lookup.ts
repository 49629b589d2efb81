/**
 * Guesses the next tokens of an answer: what followed the last time that the text ended as it does now. Answers about a
 * document copy from it. A guess that fails costs a longer run, so guesses grow and shrink with their success.
 */

/** Tokens at the end of the text that must have occurred before, the longest first. */
const matchLengths = [4, 3, 2] as const;
const firstDraft = 3;
/** Steps without a guess after a wholly wrong one, doubled each time. */
const maxPause = 32;

export class PromptLookup {
  #tokens: Int32Array;
  #length: number;
  readonly #maxDraft: number;
  #draft: number;
  #pause = 0;
  #nextPause = 1;

  constructor(promptIds: readonly number[], maxDraft: number) {
    this.#tokens = Int32Array.from(promptIds);
    this.#length = promptIds.length;
    this.#maxDraft = maxDraft;
    this.#draft = Math.min(firstDraft, maxDraft);
  }

  /** The next token of the answer. */
  push(id: number): void {
    if (this.#length === this.#tokens.length) {
      const grown = new Int32Array(this.#length + 1024);
      grown.set(this.#tokens);
      this.#tokens = grown;
    }
    this.#tokens[this.#length] = id;
    this.#length += 1;
  }

  /** At most `room` tokens; often none. */
  propose(room: number): number[] {
    if (this.#pause > 0) {
      this.#pause -= 1;
      return [];
    }
    const count = Math.min(this.#draft, room);
    if (count <= 0) return [];
    for (const length of matchLengths) {
      const end = this.#lastMatch(length);
      if (end >= 0) return this.#after(end, count);
    }
    return [];
  }

  /** Past the end of the text it goes round: what has repeated is expected to repeat again. */
  #after(position: number, count: number): number[] {
    const period = this.#length - position;
    return Array.from({ length: count }, (_, i) => this.#tokens[position + (i % period)] ?? 0);
  }

  /** How many of the proposed tokens came true. */
  judge(proposed: number, accepted: number): void {
    if (accepted === proposed) this.#draft = Math.min(this.#draft * 2, this.#maxDraft);
    else this.#draft = Math.max(accepted, 1);
    if (accepted > 0) {
      this.#nextPause = 1;
      return;
    }
    this.#pause = this.#nextPause;
    this.#nextPause = Math.min(this.#nextPause * 2, maxPause);
  }

  /** Where the latest earlier occurrence of the last tokens ends; -1 if there is none. */
  #lastMatch(length: number): number {
    const tail = this.#length - length;
    for (let start = tail - 1; start >= 0; start--) {
      let same = 0;
      while (same < length && this.#tokens[start + same] === this.#tokens[tail + same]) same++;
      if (same === length) return start + length;
    }
    return -1;
  }
}
