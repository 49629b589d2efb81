/**
 * Runs inside a bed and lets the host in. Each message of the parent carries a listening socket of the host and a
 * target; who connects to the socket is passed on to the target, looked up inside. A socket belongs to the network
 * namespace that opened it, so one process can stand in both.
 */
import { connect, Server, type Socket } from 'node:net';
import { z } from 'zod';

const messageSchema = z.strictObject({ id: z.int(), host: z.string(), port: z.int() });

function relay(near: Socket, host: string, port: number): void {
  const far = connect({ host, port, allowHalfOpen: true, noDelay: true });
  near.setNoDelay(true);
  // A reset is passed on as a reset: a client must not take it for the end of an answer.
  near.on('error', () => far.resetAndDestroy());
  far.on('error', () => near.resetAndDestroy());
  near.pipe(far).pipe(near);
}

process.on('message', (message, server) => {
  const { id, host, port } = messageSchema.parse(message);
  if (!(server instanceof Server)) throw new Error('a message without a socket');
  // Options of a socket do not travel with it: a client that ends its direction still wants the answer.
  Object.assign(server, { allowHalfOpen: true });
  server.on('connection', (socket) => relay(socket, host, port));
  process.send?.({ id });
});
process.on('disconnect', () => process.exit());
