/** The port: opened before the model loads, so that probes are answered, and closed without cutting answers off. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';

export interface Listener {
  /** Where a client on this machine finds it. */
  readonly url: string;
  /** Takes no new connection, lets running requests end for up to graceMs, then cuts them. */
  close(graceMs: number): Promise<void>;
}

/** The address is in use; another port is the fix. */
export class PortInUseError extends Error {
  readonly code = 'PORT_IN_USE';
}

/** The address that stands for all interfaces is none to connect to. */
function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://127.0.0.1:${port}`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

type Fetch = (request: Request) => Response | Promise<Response>;

export function listen(fetch: Fetch, host: string, port: number): Promise<Listener> {
  const handle = getRequestListener(fetch);
  let closing = false;
  const server = createServer((request, response) => {
    // Node ends the connections that are idle when it closes, not those that become so later.
    response.once('close', () => closing && server.closeIdleConnections());
    void handle(request, response);
  });
  const close = (graceMs: number) =>
    new Promise<void>((done) => {
      closing = true;
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      server.close(() => {
        clearTimeout(cut);
        done();
      });
    });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const message = `${host}:${port} is taken: stop what listens there, or choose another port`;
      reject(error.code === 'EADDRINUSE' ? new PortInUseError(message) : error);
    });
    server.listen(port, host, () =>
      resolve({ url: urlOf(host, (server.address() as AddressInfo).port), close }),
    );
  });
}
