/** An expression as numbered nodes over bytes, without what can never end. */
import type { CharacterRange } from './character-ranges.ts';
import { type Expression, endingParts, type Rule } from './expression.ts';
import { utf8Sequences } from './utf8.ts';

export type Node =
  | { readonly kind: 'bytes'; readonly low: number; readonly high: number }
  | { readonly kind: 'sequence'; readonly parts: readonly number[] }
  | { readonly kind: 'choice'; readonly options: readonly number[] }
  | { readonly kind: 'repeat'; readonly of: number; readonly min: number; readonly max: number | null };

export class Program {
  readonly nodes: Node[] = [];
  readonly root: number;
  readonly #byKey = new Map<string, number>();
  readonly #rules = new Map<Rule, number>();
  readonly #ending: ReadonlySet<Expression>;
  /** Parts that stand in many places are compiled once. */
  readonly #compiled = new Map<Expression, number>();
  readonly #openRules: Rule[] = [];

  constructor(root: Expression) {
    this.#ending = endingParts(root);
    this.root = this.#compile(root);
    // One after another: a chain of rules may be longer than the stack.
    for (let rule = this.#openRules.pop(); rule; rule = this.#openRules.pop()) {
      const options = this.#ending.has(rule.expression) ? [this.#compile(rule.expression)] : [];
      this.nodes[this.#rule(rule)] = { kind: 'choice', options };
    }
  }

  /** The repetition that is left after one. */
  afterOne({ of, min, max }: Extract<Node, { kind: 'repeat' }>): number {
    return this.#add({ kind: 'repeat', of, min: Math.max(min - 1, 0), max: max === null ? null : max - 1 });
  }

  #compile(e: Expression): number {
    const made = this.#compiled.get(e) ?? this.#node(e);
    this.#compiled.set(e, made);
    return made;
  }

  #node(e: Expression): number {
    switch (e.kind) {
      case 'text':
        return this.#sequence(
          Array.from(Buffer.from(e.text), (byte) => this.#add({ kind: 'bytes', low: byte, high: byte })),
        );
      case 'set':
        return this.#set(e.ranges);
      case 'sequence':
        return this.#sequence(e.parts.map((part) => this.#compile(part)));
      case 'choice':
        return this.#choice(
          e.options.filter((option) => this.#ending.has(option)).map((option) => this.#compile(option)),
        );
      case 'repeat':
        if (!this.#ending.has(e.of)) return this.#sequence([]);
        return this.#add({ kind: 'repeat', of: this.#compile(e.of), min: e.min, max: e.max });
      case 'rule':
        return this.#rule(e.rule);
    }
  }

  #set(ranges: readonly CharacterRange[]): number {
    const sequences = ranges.flatMap(utf8Sequences);
    return this.#choice(
      sequences.map((bytes) =>
        this.#sequence(bytes.map(([low, high]) => this.#add({ kind: 'bytes', low, high }))),
      ),
    );
  }

  /** A choice of one, whose only option comes with the rule's own turn. */
  #rule(rule: Rule): number {
    const found = this.#rules.get(rule);
    if (found !== undefined) return found;
    const at = this.nodes.length;
    this.#rules.set(rule, at);
    this.nodes.push({ kind: 'choice', options: [] });
    this.#openRules.push(rule);
    return at;
  }

  #sequence(parts: readonly number[]): number {
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : this.#add({ kind: 'sequence', parts });
  }

  #choice(options: readonly number[]): number {
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : this.#add({ kind: 'choice', options });
  }

  /** Equal nodes are one, so that equal places in the grammar are one. */
  #add(node: Node): number {
    const key = JSON.stringify(node);
    const found = this.#byKey.get(key);
    if (found !== undefined) return found;
    this.nodes.push(node);
    this.#byKey.set(key, this.nodes.length - 1);
    return this.nodes.length - 1;
  }
}
