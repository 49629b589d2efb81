/** The door for request bodies: text to a request, or the first field that is wrong. */
import type * as z from 'zod';
import { invalidRequest } from './errors.ts';

/** Numbers may be shown again, text may be somebody's document. */
const shown = (input: unknown): string =>
  typeof input === 'number' || typeof input === 'boolean' || input === null ? ` (it is ${input})` : '';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidRequest(`The body is not JSON: ${reason}`, undefined, 'invalid_json');
  }
}

export function parseRequest<T>(schema: z.ZodType<T>, text: string): T {
  const parsed = schema.safeParse(parseJson(text), { reportInput: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue?.path.join('.') ?? '';
  if (param === '') throw invalidRequest('The body must be a JSON object.');
  throw invalidRequest(`${param}: ${issue?.message}${shown(issue?.input)}`, param);
}
