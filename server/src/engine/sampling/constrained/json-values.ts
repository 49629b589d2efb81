/**
 * JSON as a grammar: on one line, with a space after commas and colons, so that a model cannot wander in white space.
 * Numbers have few enough digits to be finite and exact.
 */
import { choice, type Expression, optional, type Rules, repeat, sequence, set, text } from './expression.ts';

export const comma = text(', ');
const maxDigits = 15;

const digit = set('09');
const hex = set('09', 'AF', 'af');

export class JsonValues {
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  any(): Expression {
    const { any } = this.#named();
    return any;
  }

  object(): Expression {
    return this.#rules.rule('json_object', () => this.map(this.any(), 0, null));
  }

  array(): Expression {
    return this.#rules.rule('json_array', () => listOf(this.any(), 0, null, text('['), text(']')));
  }

  /** An object with any names and values of one kind. */
  map(value: Expression, min: number, max: number | null): Expression {
    const member = sequence(this.string(), text(': '), value);
    return listOf(member, min, max, text('{'), text('}'));
  }

  /** Lengths are in characters, as JSON Schema counts them. */
  string(min = 0, max: number | null = null): Expression {
    const of = (): Expression => sequence(text('"'), repeat(this.character(), min, max), text('"'));
    return min === 0 && max === null ? this.#rules.rule('json_string', of) : of();
  }

  /** No escape of a half of a surrogate pair: two of them would be one character. */
  character(): Expression {
    return this.#rules.rule('json_character', () => {
      const unicode = choice(
        sequence(set('09', 'AC', 'EF', 'ac', 'ef'), hex, hex, hex),
        sequence(set('D', 'd'), set('07'), hex, hex),
      );
      const escaped = choice(set(...'"\\/bfnrt'), sequence(text('u'), unicode));
      return choice(set(' !', '#[', ']\u{10ffff}'), sequence(text('\\'), escaped));
    });
  }

  integer(): Expression {
    return this.#rules.rule('json_integer', () => {
      const digits = sequence(set('19'), repeat(digit, 0, maxDigits - 1));
      return choice(text('0'), sequence(optional(text('-')), digits));
    });
  }

  number(): Expression {
    return this.#rules.rule('json_number', () => {
      const whole = choice(text('0'), sequence(set('19'), repeat(digit, 0, maxDigits - 1)));
      const fraction = sequence(text('.'), repeat(digit, 1, maxDigits));
      const exponent = sequence(set('e', 'E'), optional(set('+', '-')), repeat(digit, 1, 2));
      return sequence(optional(text('-')), whole, optional(fraction), optional(exponent));
    });
  }

  #named(): { any: Expression } {
    const any = this.#rules.rule('json_any', () =>
      choice(
        this.string(),
        this.number(),
        this.object(),
        this.array(),
        text('true'),
        text('false'),
        text('null'),
      ),
    );
    return { any };
  }
}

/** min to max items with commas between them. */
export function listOf(
  item: Expression,
  min: number,
  max: number | null,
  open: Expression,
  close: Expression,
): Expression {
  if (max === 0) return sequence(open, close);
  const more = repeat(sequence(comma, item), Math.max(min - 1, 0), max === null ? null : max - 1);
  const items = sequence(item, more);
  return sequence(open, min === 0 ? optional(items) : items, close);
}

/** A constant. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, of]) => `${JSON.stringify(name)}: ${literal(of)}`);
  return `{${members.join(', ')}}`;
}
