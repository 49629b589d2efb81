/**
 * Reads bytes by a grammar. A place in the grammar is a stack of nodes that are still to come; a state is the set of
 * all places that the bytes so far may have led to. Stacks and states are numbered as they are first met, so that a
 * step that was made once is a look-up: a pushdown automaton that turns into a finite one where texts have been.
 */

import type { Expression } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import { Program } from './program.ts';

/** The state without a place: the text is not in the grammar. */
export const dead = -1;
const unknown = -2;
const emptyStack = 0;

/** What a grammar may take of memory: a kilobyte for a state, some 100 bytes for a stack. */
const maxStates = 100_000;
const maxStacks = 2_000_000;

interface State {
  /** Each with bytes on top. */
  readonly stacks: readonly number[];
  /** The text may end here. */
  readonly accepts: boolean;
  readonly next: Int32Array;
}

export class Automaton {
  readonly start: number;
  readonly #program: Program;
  readonly #tops: number[] = [-1];
  readonly #rests: number[] = [-1];
  readonly #stacks = new Map<number, number>();
  readonly #states: State[] = [];
  readonly #byStacks = new Map<string, number>();

  constructor(root: Expression) {
    this.#program = new Program(root);
    this.start = this.#state([this.#push(this.#program.root, emptyStack)]);
  }

  /** States met so far: what the automaton takes of memory is a kilobyte each. */
  get size(): number {
    return this.#states.length;
  }

  accepts(state: number): boolean {
    return this.#states[state]?.accepts ?? false;
  }

  next(state: number, byte: number): number {
    const from = this.#states[state];
    if (!from) return dead;
    const known = from.next[byte] ?? unknown;
    if (known !== unknown) return known;
    const after = from.stacks.filter((stack) => this.#reads(stack, byte));
    const made = this.#state(after.map((stack) => this.#rests[stack] ?? emptyStack));
    from.next[byte] = made;
    return made;
  }

  #reads(stack: number, byte: number): boolean {
    const node = this.#program.nodes[this.#tops[stack] ?? 0];
    return node?.kind === 'bytes' && byte >= node.low && byte <= node.high;
  }

  #push(node: number, rest: number): number {
    const key = node * 2 ** 26 + rest;
    const found = this.#stacks.get(key);
    if (found !== undefined) return found;
    if (this.#tops.length >= maxStacks) throw tooMany();
    this.#tops.push(node);
    this.#rests.push(rest);
    this.#stacks.set(key, this.#tops.length - 1);
    return this.#tops.length - 1;
  }

  /** The state of all places that these stacks come to before the next byte. */
  #state(from: readonly number[]): number {
    const seen = new Set<number>();
    const reading: number[] = [];
    const open = [...from];
    for (let stack = open.pop(); stack !== undefined; stack = open.pop()) {
      if (seen.has(stack)) continue;
      seen.add(stack);
      if (stack === emptyStack) continue;
      const expanded = this.#expand(stack);
      if (expanded) open.push(...expanded);
      else reading.push(stack);
    }
    const accepts = seen.has(emptyStack);
    return reading.length === 0 && !accepts
      ? dead
      : this.#numbered(
          reading.sort((a, b) => a - b),
          accepts,
        );
  }

  #numbered(stacks: readonly number[], accepts: boolean): number {
    const key = `${accepts} ${stacks.join(' ')}`;
    const found = this.#byStacks.get(key);
    if (found !== undefined) return found;
    if (this.#states.length >= maxStates) throw tooMany();
    this.#states.push({ stacks, accepts, next: new Int32Array(256).fill(unknown) });
    this.#byStacks.set(key, this.#states.length - 1);
    return this.#states.length - 1;
  }

  /** What stands in place of a stack whose top is not bytes. */
  #expand(stack: number): number[] | undefined {
    const rest = this.#rests[stack] ?? emptyStack;
    const node = this.#program.nodes[this.#tops[stack] ?? 0];
    if (!node || node.kind === 'bytes') return undefined;
    if (node.kind === 'sequence')
      return [node.parts.reduceRight((below, part) => this.#push(part, below), rest)];
    if (node.kind === 'choice') return node.options.map((option) => this.#push(option, rest));
    if (node.max === 0) return [rest];
    const again = this.#push(node.of, this.#push(this.#program.afterOne(node), rest));
    return node.min === 0 ? [rest, again] : [again];
  }
}

const tooMany = (): GrammarError => new GrammarError('it has too many states');
