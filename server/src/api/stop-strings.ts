/** Cuts a growing text at the first stop string, and holds back what may be the beginning of one. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';
  found = false;

  constructor(stop: string | readonly string[] | null | undefined) {
    const stops = typeof stop === 'string' ? [stop] : (stop ?? []);
    this.#stops = stops.filter((text) => text !== '');
  }

  /** Text that can no longer be part of a stop string. */
  push(piece: string): string {
    const text = this.#held + piece;
    const cut = Math.min(...this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0), Infinity);
    if (cut !== Infinity) {
      this.found = true;
      this.#held = '';
      return text.slice(0, cut);
    }
    const held = Math.max(0, ...this.#stops.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - held);
    return text.slice(0, text.length - held);
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
    if (stop.startsWith(text.slice(text.length - length))) return length;
  return 0;
}
