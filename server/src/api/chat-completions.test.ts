import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, eventsOf, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

const prompt = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n';
const id = expect.stringMatching(/^chatcmpl-[\w-]{36}$/);
const created = expect.any(Number);

describe('a whole answer', () => {
  it('has the shape of OpenAI, and what the engine was asked is what the client said', async () => {
    const { chat, engine } = testApp(tokenizer, 'Hello é');
    engine.cachedTokens = 5;
    const response = await chat({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      seed: 7,
      max_tokens: 20,
      unknown_field: { of: 'any kind' },
    });
    const promptIds = tokenizer.encode(prompt);
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        id,
        object: 'chat.completion',
        created,
        model: 'tiny',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'Hello é', refusal: null },
            logprobs: null,
            finish_reason: 'stop',
          },
        ],
        usage: {
          prompt_tokens: promptIds.length,
          completion_tokens: 8,
          total_tokens: promptIds.length + 8,
          prompt_tokens_details: { cached_tokens: 5 },
        },
      },
    ]);
    expect(engine.requests).toEqual([
      {
        promptIds,
        maxTokens: 20,
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        seed: 7,
        minP: 0,
        repetitionPenalty: 1,
        presencePenalty: 0,
        frequencyPenalty: 0,
        logitBias: new Map(),
        minTokens: 0,
        stopTokenIds: [],
        ignoreEos: false,
        topLogprobs: null,
        promptLogprobs: null,
        grammar: null,
        onPrefill: expect.any(Function),
      },
    ]);
  });

  it("takes OpenAI's defaults, and as many tokens as the context has room for", async () => {
    const { chat, engine } = testApp(tokenizer, 'x');
    await chat({ top_k: -1 });
    expect(engine.requests).toMatchObject([
      {
        maxTokens: engine.maxModelLen - tokenizer.encode(prompt).length,
        temperature: 1,
        topP: 1,
        topK: 0,
        seed: null,
      },
    ]);
  });

  it.each([{ max_tokens: 3 }, { max_completion_tokens: 3 }, { max_tokens: 9, max_completion_tokens: 3 }])(
    'ends with the reason length at %j',
    async (limit) => {
      const { chat } = testApp(tokenizer, 'Hello');
      expect(await (await chat(limit)).json()).toMatchObject({
        choices: [{ message: { content: 'Hel' }, finish_reason: 'length' }],
        usage: { completion_tokens: 3 },
      });
    },
  );

  it.each(['. ', ['nothing', '. ']])(
    'is cut before the stop string %j, and the engine stops there',
    async (stop) => {
      const { chat, engine } = testApp(tokenizer, 'One. Two.');
      expect(await (await chat({ stop })).json()).toMatchObject({
        choices: [{ message: { content: 'One' }, finish_reason: 'stop' }],
        usage: { completion_tokens: 5 },
      });
      expect(engine.ends).toEqual(['abort']);
    },
  );

  it('joins the text parts of a message', async () => {
    const { chat, engine } = testApp(tokenizer, 'x');
    const content = [
      { type: 'text', text: 'H' },
      { type: 'text', text: 'i' },
    ];
    await chat({ messages: [{ role: 'user', content }] });
    expect(engine.requests[0]?.promptIds).toEqual(tokenizer.encode(prompt));
  });

  it('has log-probabilities of every token, with the likeliest beside it', async () => {
    const { chat } = testApp(tokenizer, 'b');
    const body = (await (await chat({ logprobs: true, top_logprobs: 2 })).json()) as { choices: unknown };
    const entry = (token: string, logprob: number) => ({ token, logprob, bytes: [token.charCodeAt(0)] });
    expect(body.choices).toMatchObject([
      {
        logprobs: {
          content: [{ ...entry('b', -1), top_logprobs: [entry('a', -0.5), entry('b', -1)] }],
          refusal: null,
        },
      },
    ]);
  });
});

describe('a streamed answer', () => {
  const chunk = (delta: object, finish_reason: string | null = null, more: object = {}) => ({
    id,
    object: 'chat.completion.chunk',
    created,
    model: 'tiny',
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    ...more,
  });

  it('is the same text in pieces of whole characters, with the reason last', async () => {
    const { chat } = testApp(tokenizer, 'a é');
    const response = await chat({ stream: true });
    expect(Object.fromEntries(response.headers)).toEqual({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      'x-request-id': 'test',
    });
    const events = await eventsOf(response);
    expect(events).toEqual([
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'a' }),
      chunk({ content: ' ' }),
      chunk({ content: 'é' }),
      chunk({}, 'stop'),
      '[DONE]',
    ]);
    expect(new Set(events.slice(0, -1).map((event) => (event as { id: string }).id)).size).toBe(1);
  });

  it('ends with the usage when asked to, and says null before', async () => {
    const { chat } = testApp(tokenizer, 'ab');
    const events = await eventsOf(await chat({ stream: true, stream_options: { include_usage: true } }));
    const usage = null;
    expect(events).toEqual([
      chunk({ role: 'assistant', content: '' }, null, { usage }),
      chunk({ content: 'a' }, null, { usage }),
      chunk({ content: 'b' }, null, { usage }),
      chunk({}, 'stop', { usage }),
      {
        ...chunk({}),
        choices: [],
        usage: {
          prompt_tokens: tokenizer.encode(prompt).length,
          completion_tokens: 2,
          total_tokens: tokenizer.encode(prompt).length + 2,
          prompt_tokens_details: { cached_tokens: 0 },
        },
      },
      '[DONE]',
    ]);
  });

  it('never shows a part of a stop string, and shows a false start', async () => {
    const deltas = async (stop: string) => {
      const { chat } = testApp(tokenizer, 'one <en<end>');
      const events = (await eventsOf(await chat({ stream: true, stop }))).slice(0, -1);
      return (events as ReturnType<typeof chunk>[]).map(({ choices }) => choices[0]);
    };
    const text = (choices: unknown[]) =>
      choices.map((choice) => (choice as { delta: { content?: string } }).delta.content ?? '').join('');
    const found = await deltas('<end>');
    expect([text(found), found.at(-1)]).toMatchObject(['one <en', { finish_reason: 'stop' }]);
    const missed = await deltas('<end>!');
    expect([text(missed), missed.at(-1)]).toMatchObject(['one <en<end>', { finish_reason: 'stop' }]);
  });

  it('has the log-probabilities of each piece, also while text is held back', async () => {
    const { chat } = testApp(tokenizer, 'é');
    const events = await eventsOf(await chat({ stream: true, logprobs: true }));
    const tokens = events.flatMap((event) => {
      const [choice] = (event as { choices?: { logprobs: { content: object[] } | null }[] }).choices ?? [];
      return choice?.logprobs?.content ?? [];
    });
    expect(tokens).toMatchObject([{ logprob: -1 }, { logprob: -1 }]);
  });
});
