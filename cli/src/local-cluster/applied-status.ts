/**
 * Server-side apply of a status by several field managers, as far as ours need it: the status is the union of what
 * each manager applied last; lists whose items have a `name` or a `type` are merged by it.
 */

type Json = { [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mapKey(list: unknown[]): 'name' | 'type' | undefined {
  return (['name', 'type'] as const).find(
    (key) => list.length > 0 && list.every((item) => isObject(item) && typeof item[key] === 'string'),
  );
}

function mergeLists(left: unknown[], right: unknown[]): unknown[] {
  const key = mapKey([...left, ...right]);
  if (key === undefined) return right;
  const merged = new Map(left.map((item) => [(item as Json)[key], item]));
  for (const item of right) merged.set((item as Json)[key], merge(merged.get((item as Json)[key]), item));
  return [...merged.values()];
}

function merge(left: unknown, right: unknown): unknown {
  if (Array.isArray(left) && Array.isArray(right)) return mergeLists(left, right);
  if (!isObject(left) || !isObject(right)) return right;
  const merged: Json = { ...left };
  for (const [key, value] of Object.entries(right))
    merged[key] = key in left ? merge(left[key], value) : value;
  return merged;
}

/** What each manager applied, by manager; kept beside the object so that a later apply can drop fields. */
export type AppliedBy = Record<string, object>;

export function mergeApplied(applied: AppliedBy): object {
  return Object.keys(applied)
    .sort()
    .reduce<unknown>((status, manager) => merge(status, applied[manager]), {}) as object;
}
