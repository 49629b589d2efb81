/** A port that somebody else holds is better found before an hour of training than after it. */
import { createServer } from 'node:net';
import { UserError } from '../errors.ts';

export async function assertPortFree(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) =>
    reject(
      error.code === 'EADDRINUSE'
        ? new UserError(
            'PORT_IN_USE',
            `127.0.0.1:${port} is taken: stop what listens there, or choose another with --port`,
          )
        : error,
    ),
  );
  server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  return promise;
}
