/** A grammar as a value: what a text may be, in characters. */

/** First and last code point. */
export type CharacterRange = readonly [from: number, to: number];

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

const lastCharacter = 0x10ffff;

/** Any character but those of the ranges. */
export function complement(ranges: readonly CharacterRange[]): Expression {
  const left: CharacterRange[] = [];
  let next = 0;
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) left.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= lastCharacter) left.push([next, lastCharacter]);
  return { kind: 'set', ranges: left };
}

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

/** The rules that come to an end: a list whose every node needs a next one does not. */
export function endingRules(root: Expression): ReadonlySet<Rule> {
  const rules = new Set<Rule>();
  collectRules(root, rules);
  const ending = new Set<Rule>();
  for (let before = -1; before < ending.size; ) {
    before = ending.size;
    for (const rule of rules) if (canEnd(rule.expression, ending)) ending.add(rule);
  }
  return ending;
}

export function canEnd(e: Expression, ending: ReadonlySet<Rule>): boolean {
  switch (e.kind) {
    case 'text':
      return true;
    case 'set':
      return e.ranges.length > 0;
    case 'sequence':
      return e.parts.every((part) => canEnd(part, ending));
    case 'choice':
      return e.options.some((option) => canEnd(option, ending));
    case 'repeat':
      return e.min === 0 || canEnd(e.of, ending);
    case 'rule':
      return ending.has(e.rule);
  }
}

function collectRules(e: Expression, rules: Set<Rule>): void {
  if (e.kind === 'sequence') for (const part of e.parts) collectRules(part, rules);
  if (e.kind === 'choice') for (const option of e.options) collectRules(option, rules);
  if (e.kind === 'repeat') collectRules(e.of, rules);
  if (e.kind !== 'rule' || rules.has(e.rule)) return;
  rules.add(e.rule);
  collectRules(e.rule.expression, rules);
}
