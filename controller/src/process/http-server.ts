/** A socket that serves a Hono app. */
import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';

export interface HttpServer {
  readonly port: number;
  /** Takes no more requests and resolves when those that run are answered. */
  close(): Promise<void>;
}

/** Whoever sends slowly on purpose holds a socket no longer. */
const requestTimeoutMs = 10_000;

/** `address` is host:port. Fails when it cannot be listened on. */
export function openServer(app: Hono, address: string): Promise<HttpServer> {
  const [, host = '', port] = /^(.+):(\d+)$/.exec(address) ?? [];
  return new Promise((resolve, reject) => {
    const server = serve(
      {
        fetch: app.fetch,
        hostname: host.replace(/^\[(.*)\]$/, '$1'),
        port: Number(port),
        serverOptions: { requestTimeout: requestTimeoutMs },
      },
      (info) => resolve({ port: info.port, close: () => close(server as Server) }),
    );
    server.on('error', (cause) =>
      reject(new Error(`cannot listen on ${address}: ${cause.message}`, { cause })),
    );
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
