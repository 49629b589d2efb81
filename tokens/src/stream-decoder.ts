/**
 * Text of a growing list of tokens, piece by piece. A token may end in the middle of a UTF-8 character, and some
 * decoders write a token differently next to others, so a piece is what a decoded window has more than was given out.
 */
import { StopStrings } from './stop-strings.ts';

const replacement = '\uFFFD';
/** An incomplete character has at most three bytes, each of which some decoders show as one replacement character. */
const maxIncomplete = 3;
/** Of a window that does not come to a whole character, as when a model writes noise; the rest is context enough. */
const maxWindow = 64;
/** Of a text that goes on: enough for any decoder to see that it is not at a beginning. */
const contextTokens = 8;

export interface StreamDecoderOptions {
  readonly stop?: string | readonly string[] | null;
  /** Tokens before the first one: some decoders leave out the space at the beginning of a text. */
  readonly after?: readonly number[];
  /** Whether special tokens are no text; true unless given. */
  readonly skipSpecialTokens?: boolean;
}

/** Without what may be the beginning of a character. */
function certainLength(text: string): number {
  let certain = text.length;
  while (certain > text.length - maxIncomplete && text.endsWith(replacement, certain)) certain--;
  return certain;
}

export class StreamDecoder {
  readonly #decode: (ids: number[]) => string;
  readonly #stops: StopStrings;
  #window: number[] = [];
  /** Characters of the decoded window that were given out. */
  #given = 0;
  /** Where in the window the tokens of the next piece begin. */
  #next = 0;

  /** `after` is what the text goes on from; nothing of it is given out. */
  constructor(
    decode: (ids: number[]) => string,
    { stop, after = [] }: Pick<StreamDecoderOptions, 'stop' | 'after'> = {},
  ) {
    this.#decode = decode;
    this.#stops = new StopStrings(stop);
    this.#window = after.slice(-contextTokens);
    if (after.length > 0) this.#given = certainLength(decode(this.#window));
  }

  /** Whether a stop string was found; no text comes after it. */
  get stopped(): boolean {
    return this.#stops.found;
  }

  /** Text that became certain with this token: whole characters, and no beginning of a stop string. */
  push(id: number): string {
    this.#window.push(id);
    const text = this.#decode(this.#window);
    const certain = certainLength(text);
    const piece = text.slice(this.#given, certain);
    this.#given = Math.max(this.#given, certain);
    if (certain === text.length) this.#restart(this.#next, 0);
    else if (this.#window.length > maxWindow)
      this.#restart(this.#window.length - maxWindow / 2, text.length - certain);
    return this.#stops.push(piece);
  }

  /** What is left when no token follows: an incomplete character, as the replacement character, or half a stop. */
  end(): string {
    const rest = this.#decode(this.#window).slice(this.#given);
    return this.#stops.push(rest) + this.#stops.end();
  }

  /** Keeps the tokens from an index on as context, all of whose text was given out but for its last characters. */
  #restart(from: number, held: number): void {
    this.#window = this.#window.slice(from);
    this.#next = this.#window.length;
    this.#given = this.#decode(this.#window).length - held;
  }
}
