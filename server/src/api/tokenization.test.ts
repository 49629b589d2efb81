import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

describe('POST /tokenize', () => {
  it('gives the ids that a completion reads of the same text, specials parsed and none added', async () => {
    const { post, complete, engine } = testApp(tokenizer, 'x');
    const prompt = '<|im_start|>é';
    const body = await (await post('/tokenize', { prompt, add_special_tokens: false })).json();
    expect(body).toEqual({ count: 3, max_model_len: 100, tokens: [1, 198, 172], token_strs: null });
    await complete({ prompt });
    expect(engine.requests[0]?.promptIds).toEqual([1, 198, 172]);
  });

  it('shows the text of each token on demand', async () => {
    const { post } = testApp(tokenizer);
    const body = await (await post('/tokenize', { prompt: 'a<|im_end|>', return_token_strs: true })).json();
    expect(body).toMatchObject({ tokens: [100, 2], token_strs: ['a', '<|im_end|>'] });
  });

  it('gives the ids that a chat reads of the same messages', async () => {
    const { post, chat, engine } = testApp(tokenizer, 'x');
    const messages = [{ role: 'user', content: 'Hi' }];
    const { tokens } = (await (await post('/tokenize', { messages })).json()) as { tokens: number[] };
    await chat({ messages });
    expect(tokens).toEqual(engine.requests[0]?.promptIds);
    const bare = await post('/tokenize', { messages, add_generation_prompt: false });
    expect(tokenizer.decode(((await bare.json()) as { tokens: number[] }).tokens)).toBe('user\nHi\n');
  });

  it.each([{}, { prompt: 'a', messages: [{ role: 'user', content: 'b' }] }])(
    'is refused for %j',
    async (body) => {
      const { post } = testApp(tokenizer);
      const response = await post('/tokenize', body);
      expect([response.status, await response.json()]).toEqual([
        400,
        {
          error: {
            message: 'prompt: must be there, or messages, and not both',
            type: 'invalid_request_error',
            param: 'prompt',
            code: 'invalid_request',
          },
        },
      ]);
    },
  );
});

describe('POST /detokenize', () => {
  it('gives the text back, specials too', async () => {
    const { post } = testApp(tokenizer);
    const response = await post('/detokenize', { tokens: tokenizer.encode('<|im_start|>é.') });
    expect(await response.json()).toEqual({ prompt: '<|im_start|>é.' });
    expect(await (await post('/detokenize', { tokens: [] })).json()).toEqual({ prompt: '' });
  });

  it.each([
    [{ tokens: [259] }, 'tokens: token id 259 is not below 259'],
    [{ tokens: [-1] }, 'tokens: must be an array of token ids'],
    [{ tokens: 'a' }, 'tokens: must be an array of token ids'],
  ])('is refused for %j', async (body, message) => {
    const { post } = testApp(tokenizer);
    const response = await post('/detokenize', body);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { message, param: 'tokens' } },
    ]);
  });
});

it('GET /tokenizer_info names the special tokens and the chat template', async () => {
  const { app } = testApp(tokenizer);
  expect(await (await app.request('/tokenizer_info')).json()).toEqual({
    bos_token: '<|im_start|>',
    eos_token: '<|im_end|>',
    pad_token: '<|im_end|>',
    unk_token: '<|endoftext|>',
    sep_token: null,
    cls_token: null,
    chat_template: expect.stringContaining('add_generation_prompt'),
    vocab_size: 259,
    model_max_length: 100,
  });
});
