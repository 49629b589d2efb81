/**
 * Text of a growing list of tokens, piece by piece. A token may end in the middle of a UTF-8 character, and some
 * decoders write a token differently next to others, so a piece is the difference of two decodings of a window.
 */
export class StreamDecoder {
  readonly #decode: (ids: number[]) => string;
  #window: number[] = [];
  /** Tokens of the window whose text was given out. */
  #emitted = 0;

  constructor(decode: (ids: number[]) => string) {
    this.#decode = decode;
  }

  /** Text that became certain with this token; empty while a character is incomplete. */
  push(id: number): string {
    this.#window.push(id);
    const before = this.#decode(this.#window.slice(0, this.#emitted));
    const text = this.#decode(this.#window);
    if (text.length <= before.length || text.endsWith('\uFFFD')) return '';
    const piece = text.slice(before.length);
    // Keep the tokens of the last piece as context for the next one.
    this.#window = this.#window.slice(this.#emitted);
    this.#emitted = this.#window.length;
    return piece;
  }

  /** What is left when no token follows: an incomplete character, as the replacement character. */
  end(): string {
    const before = this.#decode(this.#window.slice(0, this.#emitted));
    return this.#decode(this.#window).slice(before.length);
  }
}
