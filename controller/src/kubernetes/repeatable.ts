/** Which calls may be made again when nobody knows whether the first one arrived. */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export const contentTypes = {
  json: 'application/json',
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
} as const;

interface Body {
  metadata?: { resourceVersion?: string };
  preconditions?: { uid?: string; resourceVersion?: string };
}

/**
 * A repeated write must end where the first one did. One with a resource version does not: its repetition would meet
 * the change that it made itself and report a conflict. A deletion without a uid could hit a successor.
 */
export function isRepeatable(method: Method, contentType: string | undefined, body: unknown): boolean {
  const { metadata, preconditions } = (body ?? {}) as Body;
  if (method === 'GET') return true;
  if (method === 'DELETE')
    return preconditions?.uid !== undefined && preconditions.resourceVersion === undefined;
  const isPatch = contentType === contentTypes.apply || contentType === contentTypes.merge;
  return method === 'PATCH' && isPatch && metadata?.resourceVersion === undefined;
}
