/** Lists that are maps (x-kubernetes-list-type: map): two items with the same key are one field for the API server. */
import type { Problem } from './admit.ts';

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  'x-kubernetes-list-map-keys'?: string[];
}

type Item = Record<string, unknown>;

/** Items whose keys an item before them has already. */
function repeated(keys: string[], items: Item[], field: string): Problem[] {
  const keyOf = (item: Item) => JSON.stringify(keys.map((key) => item[key]));
  const first = new Map(items.toReversed().map((item, i) => [keyOf(item), items.length - 1 - i]));
  return items.flatMap((item, i) => {
    const before = first.get(keyOf(item));
    if (before === undefined || before === i) return [];
    const [key = ''] = keys;
    const message = `is ${JSON.stringify(item[key])}, as that of ${field}[${before}] is; use another`;
    return [{ field: `${field}[${i}].${key}`, message }];
  });
}

export function listKeyProblems(schema: Schema, value: unknown, field = ''): Problem[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) {
    const keys = schema['x-kubernetes-list-map-keys'];
    const { items } = schema;
    const own = keys === undefined ? [] : repeated(keys, value as Item[], field);
    const inner = items ? value.flatMap((item, i) => listKeyProblems(items, item, `${field}[${i}]`)) : [];
    return [...own, ...inner];
  }
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    listKeyProblems(property, (value as Item)[name], field === '' ? name : `${field}.${name}`),
  );
}
