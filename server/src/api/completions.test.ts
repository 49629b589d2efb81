import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, expect, it } from 'vitest';
import { byteTokenizer, eventsOf, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

const id = expect.stringMatching(/^cmpl-[\w-]{36}$/);
const created = expect.any(Number);
const head = { id, object: 'text_completion', created, model: 'tiny' };

it('completes one text, with the shape of OpenAI and no token added', async () => {
  const { complete, engine } = testApp(tokenizer, ' there');
  const response = await complete({ temperature: 0, max_tokens: 3, seed: 1, stop: 'z', ignore_eos: true });
  expect([response.status, await response.json()]).toEqual([
    200,
    {
      ...head,
      choices: [{ index: 0, text: ' th', logprobs: null, finish_reason: 'length' }],
      usage: {
        prompt_tokens: 2,
        completion_tokens: 3,
        total_tokens: 5,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    },
  ]);
  expect(engine.requests).toMatchObject([
    { promptIds: tokenizer.encode('Hi'), maxTokens: 3, temperature: 0, seed: 1, ignoreEos: true },
  ]);
});

it.each([
  ['a string', 'ab', [[100, 101]]],
  ['strings', ['a', 'bc'], [[100], [101, 102]]],
  ['token ids', [2, 100], [[2, 100]]],
  ['arrays of token ids', [[100], [5, 6, 7]], [[100], [5, 6, 7]]],
])('takes %s as the prompt', async (_, prompt, ids) => {
  const { complete, engine } = testApp(tokenizer, 'x');
  const body = (await (await complete({ prompt })).json()) as { choices: object[]; usage: object };
  expect(engine.requests.map(({ promptIds }) => promptIds)).toEqual(ids);
  expect(body).toMatchObject({
    choices: ids.map((_ids, index) => ({ index, text: 'x', finish_reason: 'stop' })),
    usage: { prompt_tokens: ids.flat().length, completion_tokens: ids.length },
  });
});

it('gives the log-probabilities of the generated tokens, the chosen one always among the likeliest', async () => {
  const { complete } = testApp(tokenizer, 'bd');
  expect(await (await complete({ logprobs: 1 })).json()).toMatchObject({
    choices: [
      {
        logprobs: {
          tokens: ['b', 'd'],
          token_logprobs: [-1, -1],
          top_logprobs: [
            { a: -0.5, b: -1 },
            { c: -0.5, d: -1 },
          ],
          text_offset: [0, 1],
        },
      },
    ],
  });
});

it('keeps tokens apart whose text is the same replacement character', async () => {
  const { complete, engine } = testApp(tokenizer, '');
  const id = 3 + 0x90;
  engine.script = [id];
  const { choices } = (await (await complete({ logprobs: 3 })).json()) as { choices: object[] };
  expect(choices).toMatchObject([
    {
      logprobs: {
        top_logprobs: [{ '\uFFFD': -0.5, [`token_id:${id}`]: -1, [`token_id:${id - 2}`]: -1.5 }],
      },
    },
  ]);
});

it('streams several prompts side by side, each token when it comes, and the usage of all', async () => {
  const { complete, engine } = testApp(tokenizer, 'xy');
  const secondDone = Promise.withResolvers<void>();
  // The first prompt's answer waits for the second's: read one after another they would never end.
  engine.beforeToken = (_, { promptIds }) => (promptIds.length === 1 ? secondDone.promise : undefined);
  const response = await complete({
    prompt: ['a', 'bb'],
    stream: true,
    stream_options: { include_usage: true },
    logprobs: 0,
    max_tokens: 2,
  });
  const reader = eventsOf(response);
  await expect.poll(() => engine.ends).toEqual(['length']);
  secondDone.resolve();
  const chunk = (index: number, text: string, at: number) => ({
    ...head,
    choices: [
      {
        index,
        text,
        logprobs: { tokens: [text], token_logprobs: [-1], top_logprobs: [{ [text]: -1 }], text_offset: [at] },
        finish_reason: null,
      },
    ],
    usage: null,
  });
  const last = (index: number) => ({
    ...head,
    choices: [{ index, text: '', logprobs: null, finish_reason: 'length' }],
    usage: null,
  });
  expect(await reader).toEqual([
    chunk(1, 'x', 0),
    chunk(1, 'y', 1),
    last(1),
    chunk(0, 'x', 0),
    chunk(0, 'y', 1),
    last(0),
    {
      ...head,
      choices: [],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 4,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    },
    '[DONE]',
  ]);
});

it.each([
  ['a token id that the model does not have', [[5], [100_000]], 'token_out_of_range'],
  ['a prompt that is too long', ['a', 'b'.repeat(100)], 'context_length_exceeded'],
])('refuses all prompts because of %s, and leaves none running', async (_, prompt, code) => {
  const { complete, engine } = testApp(tokenizer, 'x');
  const response = await complete({ prompt });
  expect([response.status, await response.json()]).toMatchObject([400, { error: { code } }]);
  const [first] = engine.requests;
  expect([engine.requests.length, first?.promptIds.length]).toEqual([1, 1]);
  expect(engine.signals[0]?.aborted).toBe(true);
});

it('fails as a whole when one answer fails, and cancels the others', async () => {
  const { complete, engine, lines } = testApp(tokenizer, 'xx');
  engine.beforeToken = (_, { promptIds }) =>
    promptIds.length === 2 ? Promise.reject(new Error('out of memory')) : new Promise(() => undefined);
  const response = await complete({ prompt: ['a', 'bb'] });
  expect([response.status, await response.json()]).toEqual([
    500,
    {
      error: {
        message:
          'The server failed at this request; its log says why, under the x-request-id of this response.',
        type: 'server_error',
        param: null,
        code: 'internal_error',
      },
    },
  ]);
  await expect.poll(() => engine.ends).toEqual(['abort']);
  expect(lines).toMatchObject([
    { level: 'error', status: 500, code: 'internal_error', stack: expect.stringContaining('out of memory') },
  ]);
});
