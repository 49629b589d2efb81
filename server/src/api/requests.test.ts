import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

const refusal = (message: string, param: string | null, code = 'invalid_request') => ({
  status: 400,
  retry: 'false',
  body: { error: { message, type: 'invalid_request_error', param, code } },
});

const nested = (depth: number): object => (depth === 0 ? {} : { items: nested(depth - 1) });

async function shown(response: Response) {
  const retry = response.headers.get('x-should-retry');
  return { status: response.status, retry, body: await response.json() };
}

describe('a chat request', () => {
  it.each([
    [{ n: 17 }, 'n: Too big: expected number to be <=16 (it is 17)', 'n'],
    [{ model: 3 }, 'model: Invalid input: expected string, received number (it is 3)', 'model'],
    [{ messages: [] }, 'messages: Too small: expected array to have >=1 items', 'messages'],
    [
      { messages: [{ role: 'wizard', content: 'x' }] },
      'messages.0.role: Invalid option: expected one of "system"|"developer"|"user"|"assistant"|"tool"',
      'messages.0.role',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      'messages.0.content: must be a string or an array of text parts',
      'messages.0.content',
    ],
    [{ temperature: 3 }, 'temperature: Too big: expected number to be <=2 (it is 3)', 'temperature'],
    [{ top_p: 0 }, 'top_p: Too small: expected number to be >0 (it is 0)', 'top_p'],
    [{ top_k: -2 }, 'top_k: Too small: expected number to be >=-1 (it is -2)', 'top_k'],
    [{ seed: 1.5 }, 'seed: Invalid input: expected int, received number (it is 1.5)', 'seed'],
    [{ max_tokens: 0 }, 'max_tokens: Too small: expected number to be >=1 (it is 0)', 'max_tokens'],
    [{ stop: [1] }, 'stop: must be a string or at most 32 strings', 'stop'],
    [{ min_p: 2 }, 'min_p: Too big: expected number to be <=1 (it is 2)', 'min_p'],
    [
      { presence_penalty: 3 },
      'presence_penalty: Too big: expected number to be <=2 (it is 3)',
      'presence_penalty',
    ],
    [
      { repetition_penalty: 0 },
      'repetition_penalty: Too small: expected number to be >0 (it is 0)',
      'repetition_penalty',
    ],
    [{ logit_bias: { word: 1 } }, 'logit_bias.word: Invalid key in record', 'logit_bias.word'],
    [{ logit_bias: { 259: 1 } }, 'logit_bias: token id 259 is not below 259', 'logit_bias'],
    [{ stop_token_ids: [259] }, 'stop_token_ids: token id 259 is not below 259', 'stop_token_ids'],
    [{ min_tokens: 5, max_tokens: 4 }, 'min_tokens: must not be more than max_tokens', 'min_tokens'],
    [
      { response_format: { type: 'xml' } },
      'response_format.type: must have the type text, json_object or json_schema',
      'response_format.type',
    ],
    [
      { structured_outputs: { json: nested(200) } },
      'structured_outputs.json: must not be nested deeper than 100 levels',
      'structured_outputs.json',
    ],
    [
      { structured_outputs: { grammar: 'root ::= "a"' } },
      'structured_outputs: Unrecognized key: "grammar"',
      'structured_outputs',
    ],
    [
      { structured_outputs: { json_object: false } },
      'structured_outputs: must have one of json, json_object, regex and choice',
      'structured_outputs',
    ],
    [
      { structured_outputs: { json: {} }, response_format: { type: 'json_object' } },
      'structured_outputs: leave it out, or response_format',
      'structured_outputs',
    ],
    [{ top_logprobs: 2 }, 'top_logprobs: needs logprobs to be true', 'top_logprobs'],
    [
      { logprobs: true, top_logprobs: 21 },
      'top_logprobs: Too big: expected number to be <=20 (it is 21)',
      'top_logprobs',
    ],
  ])('is refused for %j', async (fields, message, param) => {
    const { chat, engine } = testApp(tokenizer, 'x');
    expect(await shown(await chat(fields))).toEqual(refusal(message, param));
    expect(engine.requests).toEqual([]);
  });

  it('may say null for what it leaves open', async () => {
    const { chat } = testApp(tokenizer, 'x');
    const fields = [
      'temperature',
      'top_p',
      'top_k',
      'seed',
      'stop',
      'max_tokens',
      'n',
      'stream',
      'logprobs',
      'min_p',
      'logit_bias',
      'tools',
      'tool_choice',
      'response_format',
      'stop_token_ids',
    ];
    expect((await chat(Object.fromEntries(fields.map((field) => [field, null])))).status).toBe(200);
  });

  it('is refused when it is not JSON, or no object', async () => {
    const { post } = testApp(tokenizer, 'x');
    const path = '/v1/chat/completions';
    expect(await shown(await post(path, '{"model": '))).toEqual(
      refusal('The body is not JSON: Unexpected end of JSON input', null, 'invalid_json'),
    );
    expect(await shown(await post(path, '[]'))).toEqual(refusal('The body must be a JSON object.', null));
  });

  it('is refused when it does not fit, with the numbers', async () => {
    const { chat } = testApp(tokenizer, 'x');
    const messages = [{ role: 'user', content: 'x'.repeat(100) }];
    const tokens = tokenizer.chat([{ role: 'user', content: 'x'.repeat(100) }]).length;
    expect(await shown(await chat({ messages }))).toEqual(
      refusal(
        `This model's maximum context length is 100 tokens, but ${tokens} prompt tokens leave no room for an answer: ` +
          'shorten the prompt.',
        'messages',
        'context_length_exceeded',
      ),
    );
    expect(await shown(await chat({ max_tokens: 90 }))).toEqual(
      refusal(
        "This model's maximum context length is 100 tokens, but 21 prompt tokens and 90 new tokens were asked for: " +
          'shorten the prompt or lower max_tokens.',
        'messages',
        'context_length_exceeded',
      ),
    );
  });

  it('is refused for another model, with the name of the served one', async () => {
    const { chat } = testApp(tokenizer, 'x');
    expect(await shown(await chat({ model: 'gpt-4' }))).toEqual({
      ...refusal('The model "gpt-4" is not served here: use "tiny".', 'model', 'model_not_found'),
      status: 404,
    });
  });

  it('is refused when it is larger than any context', async () => {
    const { chat } = testApp(tokenizer, 'x');
    const response = await chat({ messages: [{ role: 'user', content: 'x'.repeat(1 << 20) }] });
    expect(await shown(response)).toEqual({
      status: 413,
      retry: 'false',
      body: {
        error: {
          message: 'The body has more than 1048576 bytes, the limit of this server: shorten the prompt.',
          type: 'invalid_request_error',
          param: null,
          code: 'body_too_large',
        },
      },
    });
  });
});

describe('a completion request', () => {
  const promptRule =
    'prompt: must be a string, token ids, or an array of one of the two, and none of them empty';
  it.each([
    [{ max_tokens: 0 }, 'max_tokens: must be at least 1 without echo', 'max_tokens'],
    [{ best_of: 2 }, 'best_of: must equal n: every answer is given', 'best_of'],
    [{ suffix: 'x' }, 'suffix: is not supported; leave it out', 'suffix'],
    [{ logprobs: 21 }, 'logprobs: Too big: expected number to be <=20 (it is 21)', 'logprobs'],
    [{ prompt: '' }, promptRule, 'prompt'],
    [{ prompt: [] }, promptRule, 'prompt'],
    [{ prompt: [[]] }, promptRule, 'prompt'],
    [{ prompt: ['a', 1] }, promptRule, 'prompt'],
    [{ prompt: [1.5] }, promptRule, 'prompt'],
    [{ prompt: { text: 'a' } }, promptRule, 'prompt'],
  ])('is refused for %j', async (fields, message, param) => {
    const { complete, engine } = testApp(tokenizer, 'x');
    expect(await shown(await complete(fields))).toEqual(refusal(message, param));
    expect(engine.requests).toEqual([]);
  });

  it('names the prompt when it does not fit', async () => {
    const { complete } = testApp(tokenizer, 'x');
    const response = await complete({ prompt: 'x'.repeat(98), max_tokens: 3 });
    expect(await response.json()).toMatchObject({
      error: { param: 'prompt', code: 'context_length_exceeded' },
    });
    expect((await complete({ prompt: 'x'.repeat(98), max_tokens: 2 })).status).toBe(200);
  });
});
