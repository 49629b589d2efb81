import type { Tokenizer } from '@longpo/tokens';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineError } from '../engine/engine.ts';
import { pingMs } from './event-stream.ts';
import { byteTokenizer, eventsOf, testApp } from './fixture.ts';
import { bodyBytesOf, defaultLimits } from './limits.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});
afterEach(() => {
  vi.useRealTimers();
});

const unavailable = (code: string, message: string) => ({
  error: { message, type: 'server_error', param: null, code },
});

describe('the state of the model', () => {
  it('is shown by probes, and keeps requests out until the model answers', async () => {
    const { app, chat, setState } = testApp(tokenizer, 'x');
    const status = async () =>
      Promise.all(
        ['/healthz', '/readyz', '/v1/models'].map(async (path) => (await app.request(path)).status),
      );
    expect(await status()).toEqual([200, 200, 200]);
    setState({ phase: 'loading', percent: 37 });
    expect(await status()).toEqual([200, 503, 503]);
    const loading = unavailable('model_loading', 'The model is loading (37 %).');
    expect(await (await app.request('/readyz')).json()).toEqual(loading);
    const refused = await chat({});
    expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
      503,
      '1',
      loading,
    ]);
    setState({ phase: 'stopping' });
    expect(await status()).toEqual([200, 503, 503]);
    expect(await (await chat({})).json()).toEqual(unavailable('server_stopping', 'The server is stopping.'));
  });

  it('decides about the size of a body only when it is known what the context holds', async () => {
    const { chat, setState } = testApp(tokenizer, 'x');
    const large = { messages: [{ role: 'user', content: 'x'.repeat(1 << 20) }] };
    expect((await chat(large)).status).toBe(413);
    setState({ phase: 'loading', percent: 37 });
    const early = await chat(large);
    expect([early.status, early.headers.get('retry-after'), early.headers.get('x-should-retry')]).toEqual([
      503,
      '1',
      null,
    ]);
  });

  it('lists the model with the length of its context', async () => {
    const { app } = testApp(tokenizer);
    expect(await (await app.request('/v1/models')).json()).toEqual({
      object: 'list',
      data: [{ id: 'tiny', object: 'model', created: 1_700_000_000, owned_by: 'longpo', max_model_len: 100 }],
    });
  });

  it('shows the model by its name, and no other', async () => {
    const { app } = testApp(tokenizer);
    const ask = async (path: string) => (await app.request(path)).status;
    expect([await ask('/v1/models/tiny'), await ask('/v1/models/org/other')]).toEqual([200, 404]);
  });

  it('gives a body 16 bytes a token of the context, and one megabyte at least', () => {
    expect([bodyBytesOf(8192), bodyBytesOf(524_288)]).toEqual([1_048_576, 8_388_608]);
  });

  it('says which endpoint does not exist', async () => {
    const { app } = testApp(tokenizer);
    const response = await app.request('/v1/audio', { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([
      404,
      {
        error: {
          message: 'POST /v1/audio: no such endpoint',
          type: 'invalid_request_error',
          param: null,
          code: 'not_found',
        },
      },
    ]);
  });
});

describe('the log', () => {
  const line = { msg: 'request', request: 'test', method: 'POST', ms: expect.any(Number) };

  it('has one line a request when its last byte is written, and neither prompt nor answer', async () => {
    const { app, chat, complete, lines } = testApp(tokenizer, 'SECRET');
    await chat({ messages: [{ role: 'user', content: 'PRIVATE' }] });
    await (await complete({ prompt: ['PRIVATE', 'b'], stream: true })).text();
    await complete({ prompt: 'PRIVATE', n: 99 });
    await app.request('/healthz');
    expect(lines).toEqual([
      {
        ...line,
        path: '/v1/chat/completions',
        status: 200,
        prompt_tokens: 26,
        completion_tokens: 6,
        cached_tokens: 0,
        finish: 'stop',
      },
      {
        ...line,
        path: '/v1/completions',
        status: 200,
        prompt_tokens: 8,
        completion_tokens: 12,
        cached_tokens: 0,
        finish: 'stop,stop',
      },
      { ...line, path: '/v1/completions', status: 400, code: 'invalid_request' },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/SECRET|PRIVATE/);
  });
});

describe('a full queue', () => {
  it('is told as too many requests, to be tried again', async () => {
    const { chat, engine } = testApp(tokenizer, 'x');
    engine.refusal = new EngineError('QUEUE_FULL', '900 of 1000 prompt tokens wait already');
    const response = await chat({});
    const { status, headers } = response;
    expect([
      status,
      headers.get('retry-after'),
      headers.get('x-should-retry'),
      await response.json(),
    ]).toEqual([
      429,
      '1',
      null,
      {
        error: {
          message: '900 of 1000 prompt tokens wait already',
          type: 'rate_limit_error',
          param: null,
          code: 'queue_full',
        },
      },
    ]);
  });
});

describe('embeddings', () => {
  it('are refused with the reason', async () => {
    const { post } = testApp(tokenizer);
    const response = await post('/v1/embeddings', { model: 'tiny', input: 'x' });
    expect([response.status, response.headers.get('x-should-retry'), await response.json()]).toEqual([
      400,
      'false',
      {
        error: {
          message:
            'The model "tiny" writes text and has no embeddings: use a server with an embedding model.',
          type: 'invalid_request_error',
          param: 'model',
          code: 'embeddings_not_supported',
        },
      },
    ]);
  });
});

describe('web pages', () => {
  const ask = (app: ReturnType<typeof testApp>['app'], origin: string) =>
    app.request('/v1/models', { headers: { origin } });
  const allowed = (response: Response) => response.headers.get('access-control-allow-origin');

  it('of other origins may not call, unless they are named', async () => {
    const closed = testApp(tokenizer).app;
    expect(allowed(await ask(closed, 'https://a.example'))).toBeNull();
    const { app } = testApp(tokenizer, '', { corsOrigins: ['https://a.example'] });
    expect(allowed(await ask(app, 'https://a.example'))).toBe('https://a.example');
    expect(allowed(await ask(app, 'https://b.example'))).toBeNull();
  });

  it('are answered what they ask before they call, which is without a key', async () => {
    const { app } = testApp(tokenizer, '', { corsOrigins: ['*'] });
    const response = await app.request('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://a.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    });
    expect([response.status, allowed(response)]).toEqual([204, '*']);
  });
});

describe('the limits of the server', () => {
  const limits = { ...defaultLimits, bodyBytes: 200, newTokens: 5, stops: 1, choices: 2 };

  it('are of body, tokens, stops and choices', async () => {
    const { complete } = testApp(tokenizer, 'x', { limits });
    const codeOf = async (fields: object) => {
      const response = await complete(fields);
      const { error } = (await response.json()) as { error: { message: string } };
      return [response.status, error.message];
    };
    expect(await codeOf({ max_tokens: 6 })).toEqual([
      400,
      'max_tokens: this server gives at most 5 tokens (it is 6)',
    ]);
    expect(await codeOf({ stop: ['a', 'b'] })).toEqual([400, 'stop: must be a string or at most 1 strings']);
    expect(await codeOf({ n: 3 })).toEqual([400, 'n: Too big: expected number to be <=2 (it is 3)']);
    expect(await codeOf({ prompt: 'x'.repeat(200) })).toEqual([
      413,
      'The body has more than 200 bytes, the limit of this server: shorten the prompt.',
    ]);
  });

  it('end an answer that asks for no number of tokens', async () => {
    const { complete, engine } = testApp(tokenizer, 'x', { limits });
    await complete({});
    expect(engine.requests[0]?.maxTokens).toBe(5);
  });
});

describe('a stream', () => {
  it('begins at once and pings every 15 seconds while the engine is silent', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { complete, engine } = testApp(tokenizer, 'x');
    const gate = Promise.withResolvers<void>();
    engine.beforeToken = () => gate.promise;
    const response = await complete({ stream: true });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe(': open\n\n');
    vi.advanceTimersByTime(pingMs);
    expect(await next()).toBe(': ping\n\n');
    vi.advanceTimersByTime(2 * pingMs);
    expect([await next(), await next()]).toEqual([': ping\n\n', ': ping\n\n']);
    gate.resolve();
    expect(await next()).toMatch(/^data: .*"text":"x"/);
    expect(await next()).toMatch(/^data: .*"finish_reason":"stop"/);
    expect(await next()).toBe('data: [DONE]\n\n');
    expect([(await reader.read()).done, vi.getTimerCount()]).toEqual([true, 0]);
  });

  it('tells of a failure in its last event', async () => {
    const { complete, engine, lines } = testApp(tokenizer, 'xy');
    engine.beforeToken = (index) => (index === 1 ? Promise.reject(new Error('out of memory')) : undefined);
    const response = await complete({ stream: true });
    expect((await eventsOf(response)).slice(1)).toEqual([
      unavailable(
        'internal_error',
        'The server failed at this request; its log says why, under the x-request-id of this response.',
      ),
    ]);
    expect(lines).toMatchObject([{ level: 'error', stack: expect.stringContaining('out of memory') }]);
  });

  it('cancels the generation when its reader leaves, and survives a ping after that', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { chat, engine, lines } = testApp(tokenizer, 'xyz');
    engine.beforeToken = (index) => (index === 1 ? new Promise(() => undefined) : undefined);
    const response = await chat({ stream: true });
    await response.body?.cancel();
    vi.advanceTimersByTime(pingMs);
    await expect.poll(() => engine.ends).toEqual(['abort']);
    await expect.poll(() => lines).toMatchObject([{ cancelled: true, completion_tokens: 1 }]);
  });
});

describe('a client that hangs up', () => {
  it('cancels the generation of a whole answer', async () => {
    const { chat, engine, lines } = testApp(tokenizer, 'xyz');
    const client = new AbortController();
    engine.beforeToken = (index) => {
      if (index === 1) client.abort();
      return undefined;
    };
    await chat({}, { signal: client.signal });
    expect(engine.ends).toEqual(['abort']);
    expect(lines).toMatchObject([{ cancelled: true, completion_tokens: 1 }]);
  });
});

describe('an engine that closes under a request', () => {
  const stopping = unavailable('server_stopping', 'The server is stopping.');
  /** Its engine closes before the token with this index. */
  const closingApp = (index: number) => {
    const fixture = testApp(tokenizer, 'xyz');
    const { engine } = fixture;
    engine.beforeToken = (next) => (next === index ? engine.close() : undefined);
    return fixture;
  };

  it.each([0, 2])(
    'refuses a whole answer that has %i tokens by then, for another replica to give',
    async (index) => {
      const { chat, lines } = closingApp(index);
      const response = await chat({});
      expect([response.status, response.headers.get('retry-after'), await response.json()]).toEqual([
        503,
        '1',
        stopping,
      ]);
      expect(lines).toMatchObject([{ code: 'server_stopping' }]);
    },
  );

  it('ends a stream that has text with a last chunk and its usage, as one that is too long', async () => {
    const { chat, lines, engine } = closingApp(2);
    const events = await eventsOf(await chat({ stream: true, stream_options: { include_usage: true } }));
    expect(events.slice(2)).toEqual([
      expect.objectContaining({ choices: [expect.objectContaining({ delta: { content: 'y' } })] }),
      expect.objectContaining({
        choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'length' }],
        usage: null,
      }),
      expect.objectContaining({ choices: [], usage: expect.objectContaining({ completion_tokens: 2 }) }),
      '[DONE]',
    ]);
    expect(engine.ends).toEqual(['abort']);
    expect(lines).toMatchObject([{ finish: 'cut', completion_tokens: 2 }]);
  });

  it('ends a stream without text with an error', async () => {
    const { complete, lines } = closingApp(0);
    expect(await eventsOf(await complete({ stream: true }))).toEqual([stopping]);
    expect(lines).toMatchObject([{ code: 'server_stopping' }]);
  });
});
