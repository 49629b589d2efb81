/** Which keywords of JSON Schema are obeyed, which are remarks, and which are refused. */
import { GrammarError } from './grammar-error.ts';

const maxCount = 10_000;

export type ObjectSchema = Readonly<Record<string, unknown>>;

export type JsonType = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

const ofType: Readonly<Record<string, JsonType>> = {
  minLength: 'string',
  maxLength: 'string',
  pattern: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  items: 'array',
  prefixItems: 'array',
  minItems: 'array',
  maxItems: 'array',
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  minProperties: 'object',
  maxProperties: 'object',
};
const types: readonly string[] = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];

/** They say something about values that the grammar cannot; other unknown keywords say nothing. */
const refused = [
  'multipleOf',
  'uniqueItems',
  'contains',
  'minContains',
  'maxContains',
  'unevaluatedItems',
  'unevaluatedProperties',
  'patternProperties',
  'propertyNames',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'not',
  'if',
  'then',
  'else',
  '$dynamicRef',
  '$recursiveRef',
];
const inert = ([name, value]: [string, unknown]): boolean => name === 'uniqueItems' && value === false;

/** Keywords that say by themselves which values are valid. */
const wholes = ['$ref', 'const', 'enum', 'anyOf', 'oneOf', 'allOf'];

export function checkKeywords(schema: ObjectSchema, path: string): void {
  const unknown = Object.entries(schema).find((entry) => refused.includes(entry[0]) && !inert(entry));
  if (unknown) throw new GrammarError(`${unknown[0]} at ${path} is not supported`);
  const [whole, second] = wholes.filter((name) => name in schema);
  if (!whole) return;
  const other = second ?? Object.keys(schema).find((name) => name in ofType);
  if (other) throw new GrammarError(`${whole} beside ${other} at ${path} is not supported`);
  if (whole === '$ref' && 'type' in schema)
    throw new GrammarError(`$ref beside type at ${path} is not supported`);
}

/** Those of `type`; without it those that the other keywords are for, or all. */
export function typesOf(schema: ObjectSchema, path: string): readonly JsonType[] {
  const { type } = schema;
  if (type === undefined) {
    const implied = new Set(Object.keys(schema).flatMap((name) => ofType[name] ?? []));
    return implied.size > 0 ? [...implied] : ['object', 'array', 'string', 'number', 'boolean', 'null'];
  }
  const listed: readonly unknown[] = Array.isArray(type) ? type : [type];
  const unknown = listed.find((name) => typeof name !== 'string' || !types.includes(name));
  if (unknown !== undefined || listed.length === 0)
    throw new GrammarError(`type at ${path} is none of ${types.join(', ')}`);
  return listed as readonly JsonType[];
}

/** Lengths and counts. */
export function bounds(
  schema: ObjectSchema,
  minName: string,
  maxName: string,
  path: string,
): [min: number, max: number | null] {
  const read = (name: string): number | null => {
    const value = schema[name];
    if (value === undefined) return null;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      throw new GrammarError(`${name} at ${path} is not a whole number`);
    if (value > maxCount) throw new GrammarError(`${name} at ${path} is above ${maxCount}`);
    return value;
  };
  const min = read(minName) ?? 0;
  const max = read(maxName);
  if (max !== null && min > max) throw new GrammarError(`${minName} at ${path} is above ${maxName}`);
  return [min, max];
}
