import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { openServer } from './http-server.ts';

describe('an HTTP server', () => {
  it('answers the request that runs when it is closed, and then no other', async () => {
    const [arrived, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const app = new Hono().get('/', async (c) => {
      arrived.resolve();
      await end.promise;
      return c.text('done');
    });
    const server = await openServer(app, '127.0.0.1:0');
    const url = `http://127.0.0.1:${server.port}/`;
    const answer = fetch(url, { headers: { connection: 'close' } });
    await arrived.promise;
    const closed = server.close();
    end.resolve();
    expect(await (await answer).text()).toBe('done');
    await closed;
    await expect(fetch(url)).rejects.toThrow();
  });

  it('says which address it cannot listen on', async () => {
    const server = await openServer(new Hono(), '127.0.0.1:0');
    await expect(openServer(new Hono(), `127.0.0.1:${server.port}`)).rejects.toThrow(
      `cannot listen on 127.0.0.1:${server.port}: `,
    );
    await server.close();
  });
});
