/** Cuts a growing text at the first stop string, and holds back what may be the beginning of one. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';
  #found = false;

  constructor(stop: string | readonly string[] | null | undefined) {
    this.#stops = [stop ?? []].flat().filter((text) => text !== '');
  }

  /** Whether a stop string came; nothing after it counts. */
  get found(): boolean {
    return this.#found;
  }

  /** Text that can no longer be part of a stop string. */
  push(piece: string): string {
    if (this.#found) return '';
    const text = this.#held + piece;
    const cuts = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (cuts.length > 0) {
      this.#found = true;
      this.#held = '';
      return text.slice(0, Math.min(...cuts));
    }
    const certain = text.length - Math.max(0, ...this.#stops.map((stop) => overlap(text, stop)));
    this.#held = text.slice(certain);
    return text.slice(0, certain);
  }

  /** What was held back, once no more text comes. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/** Length of the longest end of the text that is a beginning of the stop string. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
}
