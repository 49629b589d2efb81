import { afterEach, describe, expect, it } from 'vitest';
import { ConnectionError } from './api-error.ts';
import { type Answer, inTurn, json, refuse, Wire } from './fixture/wire.ts';
import { contentTypes } from './repeatable.ts';
import type { CallRecord } from './transport.ts';
import type { WatchLine } from './watch-lines.ts';

const wires: Wire[] = [];
const serve = async (...answers: Answer[]) => {
  const wire = await Wire.start(inTurn(...answers));
  wires.push(wire);
  return wire;
};
afterEach(async () => {
  await Promise.all(wires.splice(0).map((wire) => wire.stop()));
});

const ok: Answer = (_, response) => json(response, 200, { fine: true });
const reset: Answer = (_, response) => {
  response.destroy();
};
const failing =
  (code: number, headers = {}): Answer =>
  (_, response) =>
    refuse(response, code, 'Because', headers);
const path = '/api/v1/namespaces/a/pods/x';
const statusOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 200,
    (error) => error.status,
  );

describe('a call', () => {
  it('sends query, body, content type and credentials, and resolves with the JSON of the answer', async () => {
    const wire = await serve(ok);
    const answer = await wire.transport().call('PATCH', path, {
      query: { force: true, fieldManager: 'me', left: undefined },
      contentType: contentTypes.apply,
      body: { kind: 'Pod' },
    });
    expect(answer).toEqual({ fine: true });
    const [{ headers, ...received } = { headers: {} }] = wire.received;
    expect(received).toEqual({
      method: 'PATCH',
      path,
      query: { force: 'true', fieldManager: 'me' },
      body: { kind: 'Pod' },
    });
    expect(headers).toMatchObject({
      'content-type': 'application/apply-patch+yaml',
      authorization: 'Bearer token-0',
    });
  });

  it('fails with what the Status says', async () => {
    const wire = await serve(failing(404));
    await expect(wire.transport().call('GET', path)).rejects.toMatchObject({
      name: 'ApiError',
      status: 404,
      reason: 'Because',
      message: 'Because',
    });
    expect(wire.received).toHaveLength(1);
  });

  it('fails with a short text when a proxy answers in HTML', async () => {
    const wire = await serve((_, response) => {
      response.writeHead(403);
      response.end('<html>no</html>');
    });
    await expect(wire.transport().call('GET', path)).rejects.toMatchObject({
      status: 403,
      reason: '',
      message: '<html>no</html>',
    });
  });

  it('is not begun by the server on 429, so any method is repeated, and not before Retry-After', async () => {
    const at: number[] = [];
    const wire = await serve(
      (request, response) => {
        at.push(performance.now());
        failing(429, { 'retry-after': '1' })(request, response);
      },
      (request, response) => {
        at.push(performance.now());
        ok(request, response);
      },
    );
    expect(await wire.transport().call('POST', path, { body: {} })).toEqual({ fine: true });
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(995);
  });

  it('leaves a long pause to its caller', async () => {
    const wire = await serve(failing(429, { 'retry-after': '31' }));
    await expect(wire.transport().call('GET', path)).rejects.toMatchObject({ retryAfterSeconds: 31 });
    expect(wire.received).toHaveLength(1);
  });

  it.each([500, 503, 504])('is repeated on %i when that is safe', async (code) => {
    const wire = await serve(failing(code), reset, ok);
    expect(await wire.transport().call('GET', path)).toEqual({ fine: true });
    expect(wire.received).toHaveLength(3);
  });

  it('is not repeated when the first may have been done: POST, PUT, and DELETE without uid', async () => {
    for (const method of ['POST', 'PUT', 'DELETE'] as const) {
      const wire = await serve(reset, ok);
      await expect(wire.transport().call(method, path, { body: {} })).rejects.toBeInstanceOf(ConnectionError);
      expect(wire.received).toHaveLength(1);
    }
  });

  it('is given up after a bounded number of attempts', async () => {
    const wire = await serve(failing(503));
    expect(await statusOf(wire.transport({ attempts: 3 }).call('GET', path))).toBe(503);
    expect(wire.received).toHaveLength(3);
  });

  it('is ended by its time limit, once', async () => {
    const wire = await serve(() => undefined);
    await expect(wire.transport({ timeoutMs: 50 }).call('GET', path)).rejects.toThrow(
      `no answer to GET ${path} within 50 ms`,
    );
    expect(wire.received).toHaveLength(1);
  });

  it('is ended by its time limit within an answer that never ends', async () => {
    const wire = await serve((_, response) => {
      response.writeHead(200);
      response.write('{"half":');
    });
    await expect(wire.transport({ timeoutMs: 50 }).call('GET', path)).rejects.toThrow('within 50 ms');
  });

  it('does not take half an answer for one', async () => {
    const wire = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"half":1}', () => response.destroy());
    }, ok);
    expect(await wire.transport().call('GET', path)).toEqual({ fine: true });
  });

  it('reads credentials again when they are refused, once', async () => {
    const wire = await serve(failing(401), ok);
    expect(await wire.transport().call('POST', path, { body: {} })).toEqual({ fine: true });
    expect(wire.received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-0',
      'Bearer token-1',
    ]);

    const closed = await serve(failing(401));
    expect(await statusOf(closed.transport().call('GET', path))).toBe(401);
    expect(closed.received).toHaveLength(2);
  });

  it('ends when its signal does, without another attempt', async () => {
    const wire = await serve(() => undefined);
    const controller = new AbortController();
    const call = wire.transport().call('GET', path, { signal: controller.signal });
    const failed = expect(call).rejects.toBeInstanceOf(ConnectionError);
    await expect.poll(() => wire.received.length).toBe(1);
    controller.abort();
    await failed;
    expect(wire.received).toHaveLength(1);
  });

  it('is told of, attempt by attempt, by verb and status', async () => {
    const records: Omit<CallRecord, 'durationMs'>[] = [];
    const wire = await serve(failing(503), reset, ok);
    const onCall = ({ verb, status }: CallRecord) => records.push({ verb, status });
    await wire.transport({ onCall }).call('GET', path);
    expect(records).toEqual([
      { verb: 'GET', status: 503 },
      { verb: 'GET', status: 0 },
      { verb: 'GET', status: 200 },
    ]);
  });

  it('never shows the token in an error', async () => {
    const wire = await serve(reset);
    const error = await wire
      .transport()
      .call('POST', path, { body: {} })
      .catch((e: Error) => e);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error as Error))).not.toContain('token-0');
  });
});

describe('a watch', () => {
  const collect = async (lines: AsyncIterable<WatchLine>) => {
    const seen: WatchLine[] = [];
    try {
      for await (const line of lines) seen.push(line);
      return { seen };
    } catch (error) {
      return { seen, error: error as Error };
    }
  };
  const line = (name: string) => `${JSON.stringify({ type: 'ADDED', object: { name } })}\n`;
  const writing =
    (text: string, end: (response: Parameters<Answer>[1]) => void): Answer =>
    (_, response) => {
      response.writeHead(200);
      response.write(text, () => end(response));
    };
  const watch = (wire: Wire, options = {}) =>
    wire.transport(options).watch('/api/v1/pods', { resourceVersion: '5' }, new AbortController().signal);

  it('yields its lines until the server closes it', async () => {
    const wire = await serve(writing(line('x') + line('y'), (response) => response.end()));
    expect(await collect(watch(wire))).toEqual({
      seen: [
        { type: 'ADDED', object: { name: 'x' } },
        { type: 'ADDED', object: { name: 'y' } },
      ],
    });
    expect(wire.received[0]?.query).toEqual({ watch: 'true', resourceVersion: '5' });
  });

  it('yields what came whole before a reset, then fails', async () => {
    const wire = await serve(writing(line('x') + line('y').slice(0, 9), (response) => response.destroy()));
    const { seen, error } = await collect(watch(wire));
    expect(seen).toHaveLength(1);
    expect(error).toMatchObject({ name: 'ConnectionError', message: 'the watch broke off' });
  });

  it('fails when it ends politely within a line', async () => {
    const wire = await serve(writing(line('x') + line('y').slice(0, 9), (response) => response.end()));
    const { seen, error } = await collect(watch(wire));
    expect(seen).toHaveLength(1);
    expect(error?.message).toBe('the watch ended within a line');
  });

  it('fails when nothing has come for too long', async () => {
    const wire = await serve(writing(line('x'), () => undefined));
    const { seen, error } = await collect(watch(wire, { watchIdleMs: 50 }));
    expect(seen).toHaveLength(1);
    expect(error?.message).toBe('the watch was silent for too long');
    await expect.poll(() => wire.openWatches).toBe(0);
  });

  it('may last longer than a call and than any silence within it', async () => {
    const wire = await serve(async (_, response) => {
      response.writeHead(200);
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
        response.write(line(name));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      response.end();
    });
    const { seen, error } = await collect(watch(wire, { timeoutMs: 600, watchIdleMs: 600 }));
    expect([seen.length, error]).toEqual([6, undefined]);
  });

  it('fails as a call does when it is refused, after fresh credentials', async () => {
    const wire = await serve(failing(401), failing(410));
    const { error } = await collect(watch(wire));
    expect(error).toMatchObject({ name: 'ApiError', status: 410 });
    expect(wire.refreshes).toBe(1);
  });

  it('leaves no connection behind when its reader stops', async () => {
    const wire = await serve(writing(line('x'), () => undefined));
    for await (const _ of watch(wire)) break;
    await expect.poll(() => wire.openWatches).toBe(0);
  });

  it('ends with its signal while it waits', async () => {
    const wire = await serve(writing('', () => undefined));
    const controller = new AbortController();
    const lines = wire.transport().watch('/api/v1/pods', {}, controller.signal);
    const result = collect(lines);
    await expect.poll(() => wire.openWatches).toBe(1);
    controller.abort();
    expect((await result).error).toBeInstanceOf(ConnectionError);
    await expect.poll(() => wire.openWatches).toBe(0);
  });
});
