/** A JSON Schema inside of a request: any object, but none that is nested so deep that reading it fails. */
import * as z from 'zod';

const maxDepth = 100;

/** Level by level, as a recursion would end where the depth begins to matter. */
function isShallow(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return false;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return true;
}

export const jsonSchema = z
  .record(z.string(), z.unknown())
  .refine(isShallow, { error: `must not be nested deeper than ${maxDepth} levels` })
  .describe('A JSON Schema.');
