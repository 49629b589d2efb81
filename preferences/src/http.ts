/**
 * fetch without its clock. Node's own gives up after five minutes without a header, and a long prompt takes longer
 * than that where it is read on CPUs. A body is read whole, so that a cut one is a failed request like any other.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';

// Keep-alive probes end a connection whose other side is gone; nothing else does.
const http = { send: httpRequest, agent: new HttpAgent({ keepAlive: true }) };
const https = { send: httpsRequest, agent: new HttpsAgent({ keepAlive: true }) };

async function responseOf(incoming: IncomingMessage): Promise<Response> {
  const body = new Uint8Array(await buffer(incoming));
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
  const { statusCode: status = 500, statusMessage: statusText = '' } = incoming;
  return new Response(body.length > 0 ? body : null, { status, statusText, headers });
}

export const untimedFetch: typeof fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  const { send, agent } = url.protocol === 'https:' ? https : http;
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const options = {
    agent,
    method: init?.method ?? 'GET',
    headers: Object.fromEntries(new Headers(init?.headers)),
    ...(init?.signal ? { signal: init.signal } : {}),
  };
  const request = send(url, options, (incoming) => {
    responseOf(incoming).then(resolve, reject);
  });
  request.on('error', reject);
  request.end(typeof init?.body === 'string' ? init.body : undefined);
  return promise;
};
