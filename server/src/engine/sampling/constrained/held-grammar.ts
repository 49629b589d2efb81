/** A compiled grammar with the masks of one model's tokens, and an answer's place in it. */
import { Automaton } from './automaton.ts';
import type { Expression } from './expression.ts';
import { allow, emptyMask } from './token-mask.ts';
import type { TokenTree } from './token-tree.ts';

/** Masks kept for a grammar, of 2 bytes a token and 16 tokens. */
const maxMasks = 1000;

export interface ModelTokens {
  readonly bytes: readonly Uint8Array[];
  readonly tree: TokenTree;
  readonly eosTokenIds: readonly number[];
}

export class CompiledGrammar {
  readonly automaton: Automaton;
  readonly #tokens: ModelTokens;
  readonly #masks = new Map<number, Int32Array>();

  constructor(root: Expression, tokens: ModelTokens) {
    this.automaton = new Automaton(root);
    this.#tokens = tokens;
  }

  mask(state: number): Int32Array {
    const found = this.#masks.get(state);
    if (found) return found;
    const mask = this.#tokens.tree.mask(this.automaton, state);
    if (this.automaton.accepts(state)) for (const id of this.#tokens.eosTokenIds) allow(mask, id);
    if (this.#masks.size >= maxMasks) this.#masks.clear();
    this.#masks.set(state, mask);
    return mask;
  }

  /** The state after a token, which the mask allowed. */
  after(state: number, token: number): number {
    let at = state;
    for (const byte of this.#tokens.bytes[token] ?? []) at = this.automaton.next(at, byte);
    return at;
  }
}

export class Place {
  readonly #grammar: CompiledGrammar;
  readonly #tokens: ModelTokens;
  #state: number;
  #ended = false;

  constructor(grammar: CompiledGrammar, tokens: ModelTokens) {
    this.#grammar = grammar;
    this.#tokens = tokens;
    this.#state = grammar.automaton.start;
  }

  /** After the end only the end may come. Throws if the model has no token for what must come. */
  mask(): Int32Array {
    const mask = this.#ended ? this.#end() : this.#grammar.mask(this.#state);
    if (mask.every((word) => word === 0)) throw new Error('no token of the model continues the grammar');
    return mask;
  }

  accept(token: number): void {
    if (this.#tokens.eosTokenIds.includes(token)) this.#ended = true;
    else this.#state = this.#grammar.after(this.#state, token);
  }

  #end(): Int32Array {
    const { bytes, eosTokenIds } = this.#tokens;
    const mask = emptyMask(bytes.length);
    for (const id of eosTokenIds) allow(mask, id);
    return mask;
  }
}
