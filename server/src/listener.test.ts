/** The unmodified openai client over a real port, on the scripted engine. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Tokenizer } from '@longpo/tokens';
import OpenAI, { APIError, BadRequestError, InternalServerError, NotFoundError } from 'openai';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './api/fixture.ts';
import { type Listener, listen } from './listener.ts';

const graceMs = 10_000;
let tokenizer: Tokenizer;
let server: ReturnType<typeof testApp>;
let listener: Listener;
let client: OpenAI;

beforeAll(async () => {
  tokenizer = await byteTokenizer();
});
beforeEach(async () => {
  server = testApp(tokenizer, 'Bonjour é. Fin.');
  listener = await listen(server.app.fetch, '127.0.0.1', 0);
  client = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'none' });
});
afterEach(() => listener.close(0));

const request = { model: 'tiny', messages: [{ role: 'user' as const, content: 'Hi' }] };
const never = new Promise<never>(() => undefined);
const cause = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("OpenAI's client", () => {
  it('chats, whole and streamed', async () => {
    const whole = await client.chat.completions.create(request);
    expect(whole.choices[0]).toMatchObject({
      message: { content: 'Bonjour é. Fin.' },
      finish_reason: 'stop',
    });
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    const final = await stream.finalChatCompletion();
    expect([final.choices[0]?.message.content, final.usage]).toEqual(['Bonjour é. Fin.', whole.usage]);
  });

  it('completes, whole and streamed', async () => {
    const prompt = ['a', 'bb'];
    const whole = await client.completions.create({ model: 'tiny', prompt, max_tokens: 4 });
    expect(whole.choices.map(({ text }) => text)).toEqual(['Bonj', 'Bonj']);
    const texts = ['', ''];
    for await (const { choices } of await client.completions.create({ model: 'tiny', prompt, stream: true }))
      for (const { index, text } of choices) texts[index] += text;
    expect(texts).toEqual(['Bonjour é. Fin.', 'Bonjour é. Fin.']);
  });

  it('lists the model', async () => {
    expect((await client.models.list()).data).toMatchObject([{ id: 'tiny', max_model_len: 100 }]);
  });

  it('gets no part of the stop string', async () => {
    const pieces: string[] = [];
    for await (const { choices } of await client.chat.completions.create({
      ...request,
      stop: '. Fin',
      stream: true,
    }))
      pieces.push(choices[0]?.delta.content ?? '');
    expect(pieces.join('')).toBe('Bonjour é');
  });

  it('tells a long prompt, a wrong model, a wrong field and a large body apart, and asks only once', async () => {
    const long = { ...request, messages: [{ role: 'user' as const, content: 'x'.repeat(200) }] };
    const huge = { ...request, messages: [{ role: 'user' as const, content: 'x'.repeat(3 << 20) }] };
    const errors = await Promise.all([
      cause(client.chat.completions.create(long)),
      cause(client.chat.completions.create({ ...request, model: 'gpt-4' })),
      cause(client.chat.completions.create({ ...request, n: 99 })),
      cause(client.chat.completions.create(huge)),
    ]);
    expect(errors.map((error) => (error as APIError).constructor)).toEqual([
      BadRequestError,
      NotFoundError,
      BadRequestError,
      APIError,
    ]);
    expect(errors).toMatchObject([
      { status: 400, code: 'context_length_exceeded', param: 'messages', type: 'invalid_request_error' },
      { status: 404, code: 'model_not_found', param: 'model' },
      { status: 400, code: 'invalid_request', param: 'n' },
      { status: 413, code: 'body_too_large' },
    ]);
    const ids = server.lines.map(({ request: id }) => id);
    expect(new Set(errors.map((error) => (error as APIError).requestID))).toEqual(new Set(ids));
    expect(ids.length).toBe(4);
  });

  it('asks again while the model loads', async () => {
    let asked = 0;
    server.setState({ phase: 'loading', percent: 50 });
    const retrying = new OpenAI({
      baseURL: `${listener.url}/v1`,
      apiKey: 'none',
      fetch: (url, init) => {
        asked += 1;
        if (asked === 2) server.setState(server.readyState);
        return fetch(url, init);
      },
    });
    const answer = await retrying.chat.completions.create(request);
    expect([asked, answer.choices[0]?.message.content]).toEqual([2, 'Bonjour é. Fin.']);
  });

  it('is told that the model loads also for a body that nobody reads', async () => {
    server.setState({ phase: 'loading', percent: 50 });
    const once = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const huge = { ...request, messages: [{ role: 'user' as const, content: 'x'.repeat(8 << 20) }] };
    expect(await cause(once.chat.completions.create(huge))).toMatchObject({
      status: 503,
      code: 'model_loading',
    });
    server.setState(server.readyState);
    expect((await client.chat.completions.create(request)).choices[0]?.finish_reason).toBe('stop');
  });

  it('throws when a stream fails in the middle', async () => {
    server.engine.beforeToken = (index) =>
      index === 3 ? Promise.reject(new Error('out of memory')) : undefined;
    const pieces: string[] = [];
    const read = async () => {
      for await (const { choices } of await client.chat.completions.create({ ...request, stream: true }))
        pieces.push(choices[0]?.delta.content ?? '');
    };
    expect(await cause(read())).toMatchObject({ code: 'internal_error', type: 'server_error' });
    expect(pieces.join('')).toBe('Bon');
  });

  it('gets a server error for a whole answer that fails', async () => {
    server.engine.beforeToken = () => Promise.reject(new Error('out of memory'));
    const once = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'none', maxRetries: 0 });
    expect(await cause(once.chat.completions.create(request))).toBeInstanceOf(InternalServerError);
  });
});

describe('a client that leaves', () => {
  it('in the middle of a stream cancels the generation', async () => {
    server.engine.beforeToken = (index) => (index === 2 ? never : undefined);
    for await (const { choices } of await client.chat.completions.create({ ...request, stream: true }))
      if (choices[0]?.delta.content === 'o') break;
    await expect.poll(() => server.engine.ends).toEqual(['abort']);
    await expect.poll(() => server.lines).toMatchObject([{ cancelled: true, completion_tokens: 2 }]);
  });

  it('before the first token of a stream cancels the generation', async () => {
    server.engine.beforeToken = () => never;
    const leave = new AbortController();
    const body = JSON.stringify({ ...request, stream: true });
    // The headers come at once, though the engine has nothing to say yet.
    const response = await fetch(`${listener.url}/v1/chat/completions`, {
      method: 'POST',
      body,
      signal: leave.signal,
    });
    expect(response.status).toBe(200);
    leave.abort();
    await expect.poll(() => server.engine.ends).toEqual(['abort']);
  });

  it('cancels the generation also when it sent its body in chunks', async () => {
    server.engine.beforeToken = () => never;
    const leave = new AbortController();
    const body = new Blob([JSON.stringify(request)]).stream();
    const chunked = { method: 'POST', body, duplex: 'half' as const, signal: leave.signal };
    const answer = cause(fetch(`${listener.url}/v1/chat/completions`, chunked));
    await expect.poll(() => server.engine.requests.length).toBe(1);
    leave.abort();
    await answer;
    await expect.poll(() => server.engine.ends).toEqual(['abort']);
  });

  it('while it waits for a whole answer cancels the generation', async () => {
    server.engine.beforeToken = () => never;
    const leave = new AbortController();
    const answer = cause(client.chat.completions.create(request, { signal: leave.signal }));
    await expect.poll(() => server.engine.requests.length).toBe(1);
    leave.abort();
    await answer;
    await expect.poll(() => server.engine.ends).toEqual(['abort']);
    await expect.poll(() => server.lines).toMatchObject([{ cancelled: true, completion_tokens: 0 }]);
  });
});

describe('close', () => {
  it('lets a running answer end, refuses new connections, and does not wait for idle ones', async () => {
    await client.models.list();
    const gate = Promise.withResolvers<void>();
    server.engine.beforeToken = () => gate.promise;
    const answer = client.chat.completions.create(request);
    await expect.poll(() => server.engine.requests.length).toBe(1);
    const started = performance.now();
    const closed = listener.close(graceMs);
    const fresh = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'none', maxRetries: 0 });
    await expect.poll(() => cause(fresh.models.list())).toMatchObject({ message: 'Connection error.' });
    gate.resolve();
    expect((await answer).choices[0]?.message.content).toBe('Bonjour é. Fin.');
    await closed;
    // Well below the seconds for which either side would keep the connection.
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('gives what runs longer than the grace its last word', async () => {
    server.engine.beforeToken = () => never;
    const answer = fetch(`${listener.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ ...request, stream: true }),
    });
    await expect.poll(() => server.engine.requests.length).toBe(1);
    const closed = listener.close(60_000);
    // The second call is the one that counts.
    void listener.close(0, () => server.engine.close());
    expect(await (await answer).text()).toContain('"code":"server_stopping"');
    await closed;
  });

  it('cuts what runs longer than the grace', async () => {
    server.engine.beforeToken = () => never;
    const once = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const answer = cause(once.chat.completions.create(request));
    await expect.poll(() => server.engine.requests.length).toBe(1);
    await listener.close(50);
    expect(await answer).toMatchObject({ message: 'Connection error.' });
    await expect.poll(() => server.engine.ends).toEqual(['abort']);
  });
});

it('names the address that is taken, and the fix', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await expect(listen(server.app.fetch, '127.0.0.1', port)).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: `127.0.0.1:${port} is taken: stop what listens there, or choose another port`,
  });
  other.close();
});
