import { describe, expect, it } from 'vitest';
import { openCompletions } from './completions.ts';
import { type ChatAnswer, OpenAIServer } from './fixture/index.ts';

const never = new AbortController().signal;
const question = { prompt: 'Where?', decoding: { temperature: 0, topP: 1, maxTokens: 5 }, seed: 1 };
const open = (endpoint: string, patienceMs = 10_000) =>
  openCompletions({ endpoint, apiKey: 'secret', model: 'tiny', patienceMs });

/** Gives these answers one after the other, the last one for ever. */
function inTurn(...answers: ChatAnswer[]): () => ChatAnswer {
  let n = 0;
  return () => answers[Math.min(n++, answers.length - 1)] ?? {};
}

describe('completions', () => {
  it('ask for one user turn with the decoding, the seed and the key', async () => {
    await using server = await OpenAIServer.listen(() => ({ text: 'Here.' }));
    expect(await open(server.url).ask(question, never)).toEqual({ text: 'Here.', tokens: 100, end: 'stop' });
    expect(server.requests).toEqual([
      {
        path: '/v1/chat/completions',
        authorization: 'Bearer secret',
        body: {
          model: 'tiny',
          messages: [{ role: 'user', content: 'Where?' }],
          max_tokens: 5,
          temperature: 0,
          top_p: 1,
          seed: 1,
        },
        prompt: 'Where?',
      },
    ]);
  });

  it.each<[string, ChatAnswer]>([
    ['an error of the server', { status: 500, code: 'boom' }],
    ['a server that starts', { status: 503, code: 'loading' }],
    ['a full server', { status: 429, code: 'rate_limit' }],
    ['a body that was cut', { text: 'Here.', cut: true }],
  ])('ask again after %s', async (_, failure) => {
    await using server = await OpenAIServer.listen(inTurn(failure, failure, { text: 'Here.' }));
    expect((await open(server.url).ask(question, never)).text).toBe('Here.');
    expect(server.requests.length).toBe(3);
  });

  it('outlive a server that is killed in the middle of a request and started again', async () => {
    const asked = Promise.withResolvers<void>();
    const first = await OpenAIServer.listen(() => {
      asked.resolve();
      return new Promise<ChatAnswer>(() => {});
    });
    const { port, url } = first;
    const reply = open(url).ask(question, never);
    await asked.promise;
    await first.close();
    await using _second = await OpenAIServer.listen(() => ({ text: 'Back.' }), port);
    expect((await reply).text).toBe('Back.');
  });

  it('give up with exit code 75 once patience ends', async () => {
    const server = await OpenAIServer.listen();
    const { url } = server;
    await server.close();
    const gone = {
      code: 'ENDPOINT_UNREACHABLE',
      exitCode: 75,
      message: expect.stringContaining('ECONNREFUSED'),
    };
    await expect(open(url, 150).ready(never)).rejects.toMatchObject(gone);
    await expect(open(url, 150).ask(question, never)).rejects.toMatchObject(gone);
  });

  it.each<[string, ChatAnswer]>([
    ['by its code', { status: 400, code: 'context_length_exceeded' }],
    ["by vLLM's message", { status: 400, code: "This model's maximum context length is 8 tokens" }],
    [
      "by llama.cpp's message",
      { status: 400, code: 'request (9 tokens) exceeds the available context size (8 tokens)' },
    ],
  ])('tell a prompt that is too long %s', async (_, answer) => {
    await using server = await OpenAIServer.listen(() => answer);
    expect(await open(server.url).ask(question, never)).toEqual({ text: '', tokens: 0, end: 'too_long' });
  });

  it('tell an answer that was cut at maxTokens', async () => {
    await using server = await OpenAIServer.listen(() => ({ text: 'Here and', finish: 'length' }));
    expect((await open(server.url).ask(question, never)).end).toBe('length');
  });

  it.each([400, 401, 403, 404])(
    'end with exit code 2 and the message of the server on %i',
    async (status) => {
      await using server = await OpenAIServer.listen(() => ({ status, code: 'no_such_thing' }));
      await expect(open(server.url).ask(question, never)).rejects.toMatchObject({
        code: 'ENDPOINT_REFUSED',
        exitCode: 2,
        message: `${server.url} refuses the requests: ${status} status ${status}, no_such_thing`,
      });
      expect(server.requests.length).toBe(1);
    },
  );

  it('refuse a server that says something else than a completion', async () => {
    await using server = await OpenAIServer.listen(() => ({ status: 202 }));
    await expect(open(server.url).ask(question, never)).rejects.toMatchObject({
      code: 'ENDPOINT_REFUSED',
      message: `${server.url} does not answer with a chat completion`,
    });
  });

  it('wait at the start until the list of models is there', async () => {
    await using server = await OpenAIServer.listen();
    server.models.status = 503;
    const ready = open(server.url).ready(never);
    expect(await Promise.race([ready, new Promise((done) => setImmediate(() => done('waits')))])).toBe(
      'waits',
    );
    server.models.status = 200;
    expect(await ready).toBeUndefined();
  });

  it('take a server without a list of models, and refuse one that refuses the key', async () => {
    await using server = await OpenAIServer.listen();
    server.models.status = 404;
    expect(await open(server.url).ready(never)).toBeUndefined();
    server.models.status = 401;
    await expect(open(server.url).ready(never)).rejects.toMatchObject({
      code: 'ENDPOINT_REFUSED',
      exitCode: 2,
    });
  });

  it('end at once when told to', async () => {
    const stop = new AbortController();
    await using server = await OpenAIServer.listen(() => {
      stop.abort(new Error('stopped'));
      return new Promise<ChatAnswer>(() => {});
    });
    await expect(open(server.url).ask(question, stop.signal)).rejects.toThrow('stopped');
  });
});
