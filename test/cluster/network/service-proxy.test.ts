import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { ServiceProxy } from './service-proxy.ts';

/** A server that repeats what it was told once the other side is done. */
async function echo(prefix: string): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.end(`${prefix}${await text(socket)}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Ends its own direction first, as HTTP/1.0 clients and `nc` do. */
async function ask(port: number, question: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(question);
  return text(socket).catch((error) => error.code);
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

it('follows the endpoints of a port, and refuses connections when there are none', async () => {
  const [first, second, port] = [await echo('first '), await echo('second '), await freePort()];
  const proxy = new ServiceProxy();
  onTestFinished(() => proxy.close());
  const lead = (...targets: number[]) =>
    proxy.update(
      new Map(
        targets.map((target) => [
          `127.0.0.1:${port}`,
          { address: '127.0.0.1', port, targets: [{ host: '127.0.0.1', port: target }] },
        ]),
      ),
    );
  lead(first);
  const answers = [await ask(port, 'one')];
  lead(second);
  answers.push(await ask(port, 'two'));
  lead();
  answers.push(await ask(port, 'three'));
  expect(answers).toEqual(['first one', 'second two', 'ECONNREFUSED']);
});

it('resets a connection whose endpoint has gone', async () => {
  const [gone, port] = [await freePort(), await freePort()];
  const proxy = new ServiceProxy();
  onTestFinished(() => proxy.close());
  const target = { address: '127.0.0.1', port, targets: [{ host: '127.0.0.1', port: gone }] };
  proxy.update(new Map([[`127.0.0.1:${port}`, target]]));
  expect(await ask(port, 'anyone?')).toBe('ECONNRESET');
});
