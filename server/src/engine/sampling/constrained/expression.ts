/** A grammar as a value: what a text may be, in characters. */
import type { CharacterRange } from './character-ranges.ts';

export type Expression =
  | { readonly kind: 'text'; readonly text: string }
  /** One character. */
  | { readonly kind: 'set'; readonly ranges: readonly CharacterRange[] }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  /** max null: any number. */
  | { readonly kind: 'repeat'; readonly of: Expression; readonly min: number; readonly max: number | null }
  /** An expression that may contain itself, but not before its first character. */
  | { readonly kind: 'rule'; readonly rule: Rule };

export interface Rule {
  expression: Expression;
}

export const text = (value: string): Expression => ({ kind: 'text', text: value });
export const sequence = (...parts: readonly Expression[]): Expression => ({ kind: 'sequence', parts });
export const choice = (...options: readonly Expression[]): Expression => ({ kind: 'choice', options });
export const optional = (of: Expression): Expression => choice(of, text(''));
export const repeat = (of: Expression, min: number, max: number | null): Expression => ({
  kind: 'repeat',
  of,
  min,
  max,
});

/** Each range is its first and last character, or its only one. */
export const set = (...ranges: readonly string[]): Expression => ({
  kind: 'set',
  ranges: ranges.map((range) => {
    const [from = '', to = from] = range;
    return [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
  }),
});

/** Rules by name, each made at its first use; its own expression may refer to it. */
export class Rules {
  readonly #rules = new Map<string, Expression>();

  rule(name: string, make: () => Expression): Expression {
    const found = this.#rules.get(name);
    if (found) return found;
    const rule: Rule = { expression: choice() };
    const reference: Expression = { kind: 'rule', rule };
    this.#rules.set(name, reference);
    rule.expression = make();
    return reference;
  }
}

/**
 * The parts that come to an end, the whole among them unless no text is of it: a list whose every node needs a next one
 * does not. A part that stands in many places is looked at once.
 */
export function endingParts(root: Expression): ReadonlySet<Expression> {
  const ending = new Set<Expression>();
  const parts = innerFirst(root);
  for (let before = -1; before < ending.size; ) {
    before = ending.size;
    for (const part of parts) if (ends(part, ending)) ending.add(part);
  }
  return ending;
}

function ends(e: Expression, ending: ReadonlySet<Expression>): boolean {
  switch (e.kind) {
    case 'text':
      return true;
    case 'set':
      return e.ranges.length > 0;
    case 'sequence':
      return e.parts.every((part) => ending.has(part));
    case 'choice':
      return e.options.some((option) => ending.has(option));
    case 'repeat':
      return e.min === 0 || ending.has(e.of);
    case 'rule':
      return ending.has(e.rule.expression);
  }
}

/** All parts, each behind those in it unless it is one of them; without recursion, which would be as deep as they are. */
function innerFirst(root: Expression): Expression[] {
  const seen = new Set<Expression>();
  const order: Expression[] = [];
  const open = [{ part: root, left: false }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { part, left } = next;
    if (left) order.push(part);
    if (left || seen.has(part)) continue;
    seen.add(part);
    open.push({ part, left: true });
    for (const inner of partsOf(part)) open.push({ part: inner, left: false });
  }
  return order;
}

function partsOf(e: Expression): readonly Expression[] {
  if (e.kind === 'sequence') return e.parts;
  if (e.kind === 'choice') return e.options;
  if (e.kind === 'repeat') return [e.of];
  return e.kind === 'rule' ? [e.rule.expression] : [];
}
