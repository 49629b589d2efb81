/** anyOf, oneOf and allOf of a schema. */
import { GrammarError } from './grammar-error.ts';
import { type ObjectSchema, typesOf } from './schema-keywords.ts';

export interface Branch {
  readonly schema: unknown;
  readonly path: string;
}

type Resolve = (pointer: string) => unknown;

/** Schemas of which any one makes a value valid; undefined without such a keyword. */
export function branchesOf(schema: ObjectSchema, path: string, resolve: Resolve): Branch[] | undefined {
  const name = ['anyOf', 'oneOf', 'allOf'].find((keyword) => keyword in schema);
  if (!name) return undefined;
  const list = schema[name];
  if (!Array.isArray(list) || list.length === 0)
    throw new GrammarError(`${name} at ${path} is not a list of schemas`);
  if (name === 'allOf' && list.length > 1)
    throw new GrammarError(`allOf with several schemas at ${path} is not supported`);
  const branches = list.map((of: unknown, i) => ({
    schema: withType(of, schema.type, path),
    path: `${path}/${name}/${i}`,
  }));
  if (name === 'oneOf') checkDisjoint(branches, path, resolve);
  return branches.filter((branch) => branch.schema !== false);
}

/** `type` beside the branches holds for each. */
function withType(branch: unknown, type: unknown, path: string): unknown {
  if (type === undefined || typeof branch !== 'object' || branch === null) return branch;
  if ('type' in branch && branch.type === type) return branch;
  if (['type', '$ref', 'anyOf', 'oneOf', 'allOf'].some((name) => name in branch))
    throw new GrammarError(`type beside branches with types of their own at ${path} is not supported`);
  return { ...branch, type };
}

/** A value that two branches of oneOf allow is not valid, which a grammar cannot see. */
function checkDisjoint(branches: readonly Branch[], path: string, resolve: Resolve): void {
  const schemas = branches.map(({ schema }) => followed(schema, resolve));
  schemas.forEach((first, i) => {
    for (const second of schemas.slice(i + 1)) {
      if (!areDisjoint(first, second, resolve))
        throw new GrammarError(`oneOf at ${path}: two of its schemas may both hold; use anyOf`);
    }
  });
}

function followed(schema: unknown, resolve: Resolve): ObjectSchema {
  let at = schema;
  for (let depth = 0; depth < 10 && isObject(at) && typeof at.$ref === 'string'; depth++)
    at = resolve(at.$ref);
  return isObject(at) ? at : {};
}

const isObject = (value: unknown): value is ObjectSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function areDisjoint(a: ObjectSchema, b: ObjectSchema, resolve: Resolve): boolean {
  const [constantsOfA, constantsOfB] = [constants(a), constants(b)];
  if (constantsOfA && constantsOfB) return areApart(constantsOfA, constantsOfB);
  const [typesOfA, typesOfB] = [kinds(a), kinds(b)];
  if (typesOfA && typesOfB && areApart(typesOfA, typesOfB)) return true;
  return differInTag(a, b, resolve);
}

const areApart = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  [...a].every((value) => !b.has(value));

const isOnlyObject = (schema: ObjectSchema): boolean => [...(kinds(schema) ?? [])].join() === 'object';

/** Objects that must have a property for which each allows other constants. */
function differInTag(a: ObjectSchema, b: ObjectSchema, resolve: Resolve): boolean {
  if (!isObject(a.properties) || !isObject(b.properties)) return false;
  if (!isOnlyObject(a) || !isOnlyObject(b)) return false;
  const { properties: ofA } = a;
  const { properties: ofB } = b;
  const required = (schema: ObjectSchema, name: string): boolean =>
    Array.isArray(schema.required) && schema.required.includes(name);
  return Object.keys(ofA).some((name) => {
    if (!(name in ofB) || !required(a, name) || !required(b, name)) return false;
    const [first, second] = [
      constants(followed(ofA[name], resolve)),
      constants(followed(ofB[name], resolve)),
    ];
    return first !== undefined && second !== undefined && areApart(first, second);
  });
}

/** As JSON, which is the same for the same scalar; objects may differ in order only, so they do not count. */
function constants(schema: ObjectSchema): Set<string> | undefined {
  const values: unknown = 'const' in schema ? [schema.const] : schema.enum;
  if (!Array.isArray(values) || values.some((value) => typeof value === 'object' && value !== null))
    return undefined;
  return new Set(values.map((value) => JSON.stringify(value)));
}

function kinds(schema: ObjectSchema): Set<string> | undefined {
  const values: unknown = 'const' in schema ? [schema.const] : schema.enum;
  if (Array.isArray(values)) return new Set(values.map(kindOf));
  if (schema.type === undefined) return undefined;
  return new Set(typesOf(schema, '').map((type) => (type === 'integer' ? 'number' : type)));
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
