/** Where tokens begin in the text that they come to together; text of a single token is not a part of it. */
import type { StreamDecoder } from '@longpo/tokens';

export class TextOffsets {
  readonly #decoder: StreamDecoder;
  #end: number;

  /** `start` is the length of the text before. */
  constructor(decoder: StreamDecoder, start = 0) {
    this.#decoder = decoder;
    this.#end = start;
  }

  /** One each. Tokens that are parts of a character begin where it does. */
  place(ids: readonly number[]): number[] {
    return ids.map((id) => {
      const begin = this.#end;
      this.#end += this.#decoder.push(id).length;
      return begin;
    });
  }
}
