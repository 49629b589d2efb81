/** Arrays and objects of a schema as grammars. */
import { choice, type Expression, optional, sequence, text } from './expression.ts';
import { GrammarError } from './grammar-error.ts';
import type { JsonSchemaGrammar } from './json-schema.ts';
import { comma, listOf } from './json-values.ts';
import { bounds, type ObjectSchema } from './schema-keywords.ts';

export function arrayOf(grammar: JsonSchemaGrammar, schema: ObjectSchema, path: string): Expression {
  const { items = true, prefixItems = [] } = schema;
  if (Array.isArray(items)) throw new GrammarError(`items at ${path} is a list: write prefixItems`);
  if (!Array.isArray(prefixItems)) throw new GrammarError(`prefixItems at ${path} is not an array`);
  const [min, max] = bounds(schema, 'minItems', 'maxItems', path);
  const limits = { min, max, path };
  return prefixItems.length > 0 ? tuple(grammar, prefixItems, items, limits) : list(grammar, items, limits);
}

interface Limits {
  readonly min: number;
  readonly max: number | null;
  readonly path: string;
}

function list(grammar: JsonSchemaGrammar, items: unknown, { min, max, path }: Limits): Expression {
  if (items === true && min === 0 && max === null) return grammar.values.array();
  if (items === false && min > 0) throw tooMany(path);
  if (items === false || max === 0) return text('[]');
  return listOf(grammar.convert(items, `${path}/items`), min, max, text('['), text(']'));
}

/** All of the prefix that may be there is: whether the rest follows is then the only question. */
function tuple(
  grammar: JsonSchemaGrammar,
  prefixItems: readonly unknown[],
  items: unknown,
  { min, max, path }: Limits,
): Expression {
  const prefix = prefixItems.slice(0, max ?? prefixItems.length);
  const first = prefix.map((item, i) => grammar.convert(item, `${path}/prefixItems/${i}`));
  const parts = first.flatMap((item, i) => (i === 0 ? [item] : [comma, item]));
  const left = max === null ? null : max - prefix.length;
  if (left === 0 || items === false) {
    if (min > prefix.length) throw tooMany(path);
    return sequence(text('['), ...parts, text(']'));
  }
  const more = Math.max(min - prefix.length, 0);
  const rest = listOf(grammar.convert(items, `${path}/items`), Math.max(more, 1), left, comma, text(''));
  return sequence(text('['), ...parts, more === 0 ? optional(rest) : rest, text(']'));
}

const tooMany = (path: string): GrammarError =>
  new GrammarError(`minItems at ${path} is more than may be there`);
interface Member {
  readonly name: string;
  readonly schema: unknown;
  readonly required: boolean;
  readonly path: string;
}

export function objectOf(grammar: JsonSchemaGrammar, schema: ObjectSchema, path: string): Expression {
  const members = membersOf(schema, path);
  const [min, max] = bounds(schema, 'minProperties', 'maxProperties', path);
  if (members.length > 0) {
    const required = members.filter((member) => member.required).length;
    if (min > required || (max !== null && max < members.length))
      throw new GrammarError(`minProperties or maxProperties beside properties at ${path} is not supported`);
    return fixedObject(grammar, members);
  }
  const { additionalProperties = schema.properties === undefined } = schema;
  if (additionalProperties === false || max === 0) {
    if (min > 0) throw new GrammarError(`minProperties at ${path} is more than may be there`);
    return text('{}');
  }
  // The same name may come twice, and then counts once.
  if (min > 1) throw new GrammarError(`minProperties above 1 at ${path} is not supported`);
  if (additionalProperties === true && min === 0 && max === null) return grammar.values.object();
  return grammar.values.map(grammar.convert(additionalProperties, `${path}/additionalProperties`), min, max);
}

/** The properties in their order, then those that are only required. */
function membersOf(schema: ObjectSchema, path: string): Member[] {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  if (typeof properties !== 'object' || properties === null)
    throw new GrammarError(`properties at ${path} is not an object`);
  if (!Array.isArray(required) || required.some((name) => typeof name !== 'string'))
    throw new GrammarError(`required at ${path} is not a list of names`);
  const names: readonly string[] = required;
  const listed = Object.entries(properties).map(([name, of]) => ({
    name,
    schema: of as unknown,
    required: names.includes(name),
    path: `${path}/properties/${name}`,
  }));
  const unlisted = [...new Set(names)].filter((name) => !Object.hasOwn(properties, name));
  return [
    ...listed.filter((member) => member.required || member.schema !== false),
    ...unlisted.map((name) => ({
      name,
      schema: additionalProperties,
      required: true,
      path: `${path}/${name}`,
    })),
  ];
}

/** Two rules for each place: what may follow when nothing is there yet, and when something is. */
function fixedObject(grammar: JsonSchemaGrammar, members: readonly Member[]): Expression {
  const { rules } = grammar;
  const name = grammar.nextName();
  const pairs = members.map(({ name: key, schema, path }) =>
    sequence(text(`${JSON.stringify(key)}: `), grammar.convert(schema, path)),
  );
  let follow = { empty: text(''), filled: text('') };
  for (const [at, pair] of [...pairs.entries()].reverse()) {
    const { empty, filled } = follow;
    const rule = (place: string, present: Expression, absent: Expression): Expression =>
      rules.rule(`${name} ${place} ${at}`, () => (members[at]?.required ? present : choice(present, absent)));
    follow = {
      empty: rule('first', sequence(pair, filled), empty),
      filled: rule('next', sequence(comma, pair, filled), filled),
    };
  }
  return sequence(text('{'), follow.empty, text('}'));
}
