/** The port: opened before the model loads, so that probes are answered, and closed without cutting answers off. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';

export interface Listener {
  /** Where a client on this machine finds it. */
  readonly url: string;
  /**
   * Takes no new connection and lets running requests end for up to graceMs; then `cut` has to end them, so that each
   * gets its last word, and what is left of the connections is closed. A later call sets the deadline anew.
   */
  close(graceMs: number, cut?: () => Promise<void>): Promise<void>;
}

/** For a client to take its last word, once its answer is cut. */
const lastWordMs = 1000;

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

function deadlineClose(server: Server, onClosing: () => void): Listener['close'] {
  let timer: NodeJS.Timeout | undefined;
  let closed: Promise<void> | undefined;
  return (graceMs, cut = async () => undefined) => {
    onClosing();
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = setTimeout(() => server.closeAllConnections(), lastWordMs);
      void cut();
    }, graceMs);
    closed ??= new Promise<void>((done) => {
      server.close(() => done());
    }).finally(() => clearTimeout(timer));
    return closed;
  };
}

export function listen(fetch: Fetch, host: string, port: number): Promise<Listener> {
  const handle = getRequestListener(fetch);
  let closing = false;
  const server = createServer((request, response) => {
    // Node ends the connections that are idle when it closes, not those that become so later.
    response.once('close', () => closing && server.closeIdleConnections());
    void handle(request, response);
  });
  const close = deadlineClose(server, () => {
    closing = true;
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
