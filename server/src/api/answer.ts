/** From parsed requests to one HTTP response, whole or as events; what fails or is left is cancelled in the engine. */
import type { Context } from 'hono';
import { asApiError, stopping } from './errors.ts';
import { eventStream, eventStreamHeaders } from './event-stream.ts';
import { TextGeneration, type TextRequest, usageOf } from './generation.ts';
import type { Served } from './model-state.ts';
import type { ApiEnv, RequestRecord } from './request-record.ts';

/** How an endpoint shows its answers. */
export interface Face {
  whole(generations: readonly TextGeneration[]): Promise<object>;
  chunks(generations: readonly TextGeneration[]): AsyncIterable<object>;
}

export async function answer(
  c: Context<ApiEnv>,
  served: Served,
  requests: readonly TextRequest[],
  { stream, face }: { stream: boolean; face: Face },
): Promise<Response> {
  const record = c.get('record');
  // Kept for as long as the answer runs: a Request that is collected no longer passes an abort on.
  const client = c.get('client');
  const cancel = new AbortController();
  const signal = AbortSignal.any([client.signal, cancel.signal]);
  const generations: TextGeneration[] = [];
  try {
    // One request that cannot be served takes the others of its batch along.
    for (const request of requests) generations.push(new TextGeneration(served, request, signal));
    if (stream) {
      const events = face.chunks(generations);
      record.streaming = true;
      const end = (error?: unknown): void => {
        const cancelled = client.signal.aborted || cancel.signal.aborted;
        cancel.abort();
        recordEnd(record, generations, cancelled, error);
        record.end();
      };
      return c.newResponse(
        eventStream({ events, cancel: () => cancel.abort(), end }),
        200,
        eventStreamHeaders,
      );
    }
    const body = await face.whole(generations);
    // Nothing has been sent: another replica can give the whole answer.
    if (generations.some(({ cut }) => cut)) throw stopping();
    recordEnd(record, generations, client.signal.aborted);
    return c.json(body);
  } catch (error) {
    cancel.abort();
    throw error;
  }
}

function recordEnd(
  record: RequestRecord,
  generations: readonly TextGeneration[],
  cancelled: boolean,
  error?: unknown,
): void {
  const { prompt_tokens, completion_tokens, prompt_tokens_details } = usageOf(generations);
  record.add({ prompt_tokens, completion_tokens, ...prompt_tokens_details });
  if (cancelled) record.add({ cancelled });
  else if (error === undefined)
    record.add({ finish: generations.map(({ cut, finish }) => (cut ? 'cut' : finish)).join() });
  else record.add(failureValues(error));
}

/** What a log line says about a failed request; the stack only of a bug. */
export function failureValues(error: unknown): Record<string, unknown> {
  const { status, code } = asApiError(error);
  if (code !== 'internal_error') return { code };
  return { level: 'error', status, code, stack: error instanceof Error ? error.stack : String(error) };
}
