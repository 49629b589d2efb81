/** Server-sent events: headers at once, pings while a long prompt is read, an error as the last event. */
import { asApiError } from './errors.ts';

/** Node's fetch gives up on a silent body after five minutes, proxies much earlier. */
export const pingMs = 15_000;

export const eventStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

export interface EventSource {
  readonly events: AsyncIterable<object>;
  /** The client has left; events should end soon. */
  cancel(): void;
  /** All is written, or nobody reads on. */
  end(error?: unknown): void;
}

export function eventStream(source: EventSource): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let open = true;
  return new ReadableStream({
    start(controller) {
      // A client that has left closes the controller under our feet.
      const send = (text: string): void => {
        if (open) controller.enqueue(encoder.encode(text));
      };
      const pump = async (): Promise<unknown> => {
        try {
          for await (const event of source.events) send(`data: ${JSON.stringify(event)}\n\n`);
          send('data: [DONE]\n\n');
          return undefined;
        } catch (error) {
          // The status line is gone; clients take an error payload as the failure of the stream.
          send(`data: ${JSON.stringify(asApiError(error).body)}\n\n`);
          return error;
        }
      };
      send(': open\n\n');
      const ping = setInterval(() => send(': ping\n\n'), pingMs);
      pump().then((error) => {
        clearInterval(ping);
        if (open) controller.close();
        open = false;
        source.end(error);
      });
    },
    cancel() {
      open = false;
      source.cancel();
    },
  });
}
