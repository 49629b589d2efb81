/**
 * The tokens of a model by their bytes, so that what they begin with in common is read once. The tree lies in arrays, a
 * node before its children: a mask is one pass over them.
 */
import { type Automaton, dead } from './automaton.ts';
import { allow, emptyMask } from './token-mask.ts';

/** Longer tokens, which are runs of one character, are never chosen. */
const maxTokenBytes = 256;

export class TokenTree {
  /** Of each node: its byte, how many bytes lead to it, where its subtree ends, and where its tokens begin in #ids. */
  readonly #bytes: Uint8Array;
  readonly #depths: Int32Array;
  readonly #ends: Int32Array;
  readonly #firstIds: Int32Array;
  readonly #ids: Int32Array;
  readonly #size: number;

  constructor(tokens: readonly Uint8Array[]) {
    const nodes = new TreeBuilder(tokens);
    this.#bytes = Uint8Array.from(nodes.bytes);
    this.#depths = Int32Array.from(nodes.depths);
    this.#ends = Int32Array.from(nodes.ends);
    this.#firstIds = Int32Array.from([...nodes.firstIds, nodes.ids.length]);
    this.#ids = Int32Array.from(nodes.ids);
    this.#size = tokens.length;
  }

  /** A bit for each token whose bytes the automaton can read from a state. */
  mask(automaton: Automaton, state: number): Int32Array {
    const mask = emptyMask(this.#size);
    const states = new Int32Array(maxTokenBytes + 1);
    states[0] = state;
    for (let node = 0; node < this.#bytes.length; ) {
      const depth = this.#depths[node] ?? 0;
      const next = automaton.next(states[depth - 1] ?? 0, this.#bytes[node] ?? 0);
      if (next === dead) {
        node = this.#ends[node] ?? 0;
        continue;
      }
      states[depth] = next;
      this.#allow(mask, node);
      node += 1;
    }
    return mask;
  }

  #allow(mask: Int32Array, node: number): void {
    const end = this.#firstIds[node + 1] ?? 0;
    for (let at = this.#firstIds[node] ?? 0; at < end; at++) allow(mask, this.#ids[at] ?? 0);
  }
}

class TreeBuilder {
  readonly bytes: number[] = [];
  readonly depths: number[] = [];
  readonly ends: number[] = [];
  readonly firstIds: number[] = [];
  readonly ids: number[] = [];
  /** The nodes on the way to the last one. */
  readonly #path: number[] = [];

  constructor(tokens: readonly Uint8Array[]) {
    // A string of one character a byte compares faster than bytes do.
    const keys = tokens.map((bytes) => Buffer.from(bytes).toString('latin1'));
    const order = [...tokens.keys()].filter((id) => isUsable(tokens[id]));
    order.sort((a, b) => ((keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1));
    for (const id of order) this.#add(tokens[id] ?? new Uint8Array(), id);
    this.#leave(0);
  }

  #add(token: Uint8Array, id: number): void {
    let shared = 0;
    while (shared < token.length && this.bytes[this.#path[shared] ?? -1] === token[shared]) shared += 1;
    this.#leave(shared);
    for (const byte of token.subarray(shared)) {
      this.#path.push(this.bytes.length);
      this.bytes.push(byte);
      this.depths.push(this.#path.length);
      this.ends.push(0);
      this.firstIds.push(this.ids.length);
    }
    this.ids.push(id);
  }

  /** Closes the subtrees below a depth. */
  #leave(depth: number): void {
    for (const node of this.#path.splice(depth)) this.ends[node] = this.bytes.length;
  }
}

const isUsable = (token: Uint8Array | undefined): boolean =>
  token !== undefined && token.length > 0 && token.length <= maxTokenBytes;
