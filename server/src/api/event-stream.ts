/** Server-sent events: headers at once, pings while a long prompt is read, an error as the last event. */
import type { Context } from 'hono';
import { asApiError } from './errors.ts';

/** Node's fetch gives up on a silent body after five minutes, proxies much earlier. */
const pingMs = 15_000;

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

export function eventStream(c: Context, events: AsyncIterable<object>, cancel: () => void): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      send(': open\n\n');
      const ping = setInterval(() => send(': ping\n\n'), pingMs);
      try {
        for await (const event of events) send(`data: ${JSON.stringify(event)}\n\n`);
        send('data: [DONE]\n\n');
      } catch (error) {
        // The status line is gone; clients take an error payload as the failure of the stream.
        if (!c.req.raw.signal.aborted) send(`data: ${JSON.stringify(asApiError(error).body())}\n\n`);
      } finally {
        clearInterval(ping);
        closeQuietly(controller);
      }
    },
    cancel,
  });
  return c.newResponse(body, 200, headers);
}

function closeQuietly(controller: ReadableStreamDefaultController): void {
  try {
    controller.close();
  } catch {
    // the client has gone and closed it already
  }
}
