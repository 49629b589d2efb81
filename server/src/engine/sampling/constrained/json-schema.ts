/**
 * A JSON Schema (draft 2020-12) as a grammar of which every text validates. It may be narrower than the schema: names
 * come in the schema's order, none is added beside `properties`, `format` is a remark. A keyword that it cannot obey is
 * an error, never ignored.
 */
import { choice, type Expression, endingParts, type Rules, text } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import { branchesOf } from './json-branches.ts';
import { arrayOf, objectOf } from './json-containers.ts';
import { integersBetween, type NumberRange, numbersBetween } from './json-numbers.ts';
import { patternString } from './json-patterns.ts';
import { JsonValues, literal } from './json-values.ts';
import { bounds, checkKeywords, type JsonType, type ObjectSchema, typesOf } from './schema-keywords.ts';

const maxNodes = 10_000;
/** References count: what they lead to is nested here. */
const maxDepth = 200;

export class JsonSchemaGrammar {
  readonly rules: Rules;
  readonly values: JsonValues;
  readonly #root: unknown;
  readonly #prefix: string;
  readonly #refs = new Map<string, string>();
  #nodes = 0;
  #depth = 0;

  /** Several schemas may share rules; the prefix keeps their names apart. */
  constructor(root: unknown, rules: Rules, prefix = '') {
    this.#root = root;
    this.rules = rules;
    this.#prefix = prefix;
    this.values = new JsonValues(rules);
  }

  expression(): Expression {
    const expression = this.convert(this.#root, '#');
    if (!endingParts(expression).has(expression)) throw new GrammarError('no finite JSON is valid');
    return expression;
  }

  /** Text before which another rule name is needed. */
  nextName(): string {
    return `${this.#prefix} ${this.#nodes}`;
  }

  /** `through` are the references on the way here since the last character. */
  convert(schema: unknown, path: string, through: readonly string[] = []): Expression {
    this.#count(1);
    if (this.#depth >= maxDepth) throw new GrammarError(`nested deeper than ${maxDepth}`);
    this.#depth += 1;
    const expression = this.#convert(schema, path, through);
    this.#depth -= 1;
    return expression;
  }

  #convert(schema: unknown, path: string, through: readonly string[]): Expression {
    if (schema === true) return this.values.any();
    if (schema === false) throw new GrammarError(`nothing is valid at ${path}`);
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
      throw new GrammarError(`${path} is not a schema`);
    const keywords = schema as ObjectSchema;
    checkKeywords(keywords, path);
    if (keywords.$ref !== undefined) return this.#reference(keywords.$ref, path, through);
    if ('const' in keywords) return this.#constants([keywords.const], keywords, path);
    if (keywords.enum !== undefined) return this.#constants(keywords.enum, keywords, path);
    const branches = branchesOf(keywords, path, (pointer) => this.#resolve(pointer, path));
    if (branches) return choice(...branches.map(({ schema: of, path: at }) => this.convert(of, at, through)));
    return choice(...typesOf(keywords, path).map((type) => this.#ofType(type, keywords, path)));
  }

  /** The schema is read where requests are checked, beside all others. */
  #count(parts: number): void {
    this.#nodes += parts;
    if (this.#nodes > maxNodes) throw new GrammarError(`more than ${maxNodes} parts`);
  }

  #reference(pointer: unknown, path: string, through: readonly string[]): Expression {
    if (typeof pointer !== 'string') throw new GrammarError(`$ref at ${path} is not a string`);
    if (through.includes(pointer)) throw new GrammarError(`$ref ${pointer} at ${path} leads to itself`);
    const target = this.#resolve(pointer, path);
    const name = this.#refs.get(pointer) ?? `${this.#prefix} $ref ${this.#refs.size}`;
    this.#refs.set(pointer, name);
    return this.rules.rule(name, () => this.convert(target, pointer, [...through, pointer]));
  }

  #resolve(pointer: string, path: string): unknown {
    if (!/^#(\/|$)/.test(pointer)) throw new GrammarError(`$ref ${pointer} at ${path} is not in this schema`);
    let target = this.#root;
    for (const part of pointer.split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key))
        throw new GrammarError(`$ref ${pointer} at ${path} points to nothing`);
      target = (target as Readonly<Record<string, unknown>>)[key];
    }
    return target;
  }

  #constants(values: unknown, schema: ObjectSchema, path: string): Expression {
    if (!Array.isArray(values)) throw new GrammarError(`enum at ${path} is not an array`);
    this.#count(values.length);
    const types = schema.type === undefined ? undefined : typesOf(schema, path);
    const allowed = types ? values.filter((value) => types.some((type) => isOfType(value, type))) : values;
    if (allowed.length === 0) throw new GrammarError(`no value of enum at ${path} is valid`);
    return choice(...allowed.map((value) => text(literal(value))));
  }

  #ofType(type: JsonType, schema: ObjectSchema, path: string): Expression {
    switch (type) {
      case 'null':
        return text('null');
      case 'boolean':
        return choice(text('true'), text('false'));
      case 'integer':
      case 'number':
        return this.#number(type, schema, path);
      case 'string':
        return this.#string(schema, path);
      case 'array':
        return arrayOf(this, schema, path);
      case 'object':
        return objectOf(this, schema, path);
    }
  }

  #string(schema: ObjectSchema, path: string): Expression {
    const lengths = bounds(schema, 'minLength', 'maxLength', path);
    if (schema.pattern === undefined) return this.values.string(...lengths);
    const { pattern } = schema;
    if (typeof pattern !== 'string') throw new GrammarError(`pattern at ${path} is not a string`);
    this.#count(pattern.length);
    return patternString(pattern, lengths, path);
  }

  #number(type: 'integer' | 'number', schema: ObjectSchema, path: string): Expression {
    const range = rangeOf(schema, path);
    if (range === null) return type === 'integer' ? this.values.integer() : this.values.number();
    try {
      const between = type === 'integer' ? integersBetween(range) : numbersBetween(range);
      if (between) return between;
    } catch (error) {
      if (error instanceof RangeError) throw new GrammarError(`${path} has ${error.message}`);
      throw error;
    }
    throw new GrammarError(`no number is valid at ${path}`);
  }
}

function isOfType(value: unknown, type: JsonType): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function rangeOf(schema: ObjectSchema, path: string): NumberRange | null {
  const read = (name: string): number | undefined => {
    const value = schema[name];
    if (value !== undefined && typeof value !== 'number')
      throw new GrammarError(`${name} at ${path} is not a number`);
    return value;
  };
  const [minimum, maximum] = [read('minimum'), read('maximum')];
  const [above, below] = [read('exclusiveMinimum'), read('exclusiveMaximum')];
  if ([minimum, maximum, above, below].every((bound) => bound === undefined)) return null;
  const min = Math.max(minimum ?? Number.NEGATIVE_INFINITY, above ?? Number.NEGATIVE_INFINITY);
  const max = Math.min(maximum ?? Number.POSITIVE_INFINITY, below ?? Number.POSITIVE_INFINITY);
  return { min, max, exclusiveMin: min === above, exclusiveMax: max === below };
}
