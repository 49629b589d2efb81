/**
 * Whether somebody changed what we applied to a child. Server-side apply writes down whose each field is, and a field
 * that another changes or removes is no longer ours. So fields are asked for and no values compared, which the API
 * server rewrites as it pleases, and fields that others added are left to them. Pure.
 */
import { appliedFields, type Resource } from '../cluster.ts';

/** A node of fieldsV1: by `f:<field>`, `k:<JSON of an entry's keys>` or `v:<JSON of an entry>`; empty where it is a whole. */
interface Fields {
  [path: string]: Fields;
}

export function hasDrifted(current: Resource, desired: Resource, manager: string): boolean {
  const { managedFields } = current.metadata;
  if (managedFields === undefined) return false; // a cluster that writes nothing down
  const fields = appliedFields(managedFields, manager)[0]?.fieldsV1 as Fields | undefined;
  // What names the object belongs to nobody.
  const { apiVersion: _, kind: __, metadata, ...content } = desired;
  const { name: ___, namespace: ____, ...named } = metadata;
  return fields === undefined || !isOwned({ ...content, metadata: named }, fields);
}

function isOwned(wanted: unknown, fields: Fields | undefined): boolean {
  if (fields === undefined) return wanted === undefined;
  const isWhole = Object.keys(fields).length === 0;
  if (isWhole || typeof wanted !== 'object' || wanted === null) return true;
  if (Array.isArray(wanted)) return wanted.every((entry) => isOwned(entry, entryOf(fields, entry)));
  return Object.entries(wanted).every(
    ([name, value]) => value === undefined || isOwned(value, fields[`f:${name}`]),
  );
}

/** Keys may name a field that the entry leaves to its default, as the protocol of a port. */
function entryOf(fields: Fields, entry: unknown): Fields | undefined {
  const path = Object.keys(fields).find((candidate) => {
    const isKeyed = candidate.startsWith('k:');
    if (!isKeyed && !candidate.startsWith('v:')) return false;
    const told: unknown = JSON.parse(candidate.slice(2));
    return isKeyed ? fits(entry as Record<string, unknown>, told as object) : told === entry;
  });
  return path === undefined ? undefined : fields[path];
}

const fits = (entry: Record<string, unknown>, keys: object): boolean =>
  Object.entries(keys).every(([name, value]) => entry[name] === undefined || entry[name] === value);
