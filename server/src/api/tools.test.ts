/** Functions that an answer calls, on a template in the format of Qwen. */
import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, eventsOf, testApp } from './fixture.ts';

let plain: Tokenizer;
let tokenizer: Tokenizer;
beforeAll(async () => {
  plain = await byteTokenizer();
  const info = { ...plain.info, chatTemplate: '{{ tools }}<tool_call>' };
  tokenizer = { ...plain, info };
});

const weather = { name: 'weather', parameters: { type: 'object' } };
const tools = [{ type: 'function', function: weather }];
const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>';
const shown = {
  id: expect.stringMatching(/^call_[0-9a-f]{32}$/),
  type: 'function',
  function: { name: 'weather', arguments: '{"city":"Bern"}' },
};

describe('an answer that calls a function', () => {
  it('has the call and no text of it, and ends with tool_calls', async () => {
    const { chat, engine } = testApp(tokenizer, call);
    const response = await chat({ tools, tool_choice: 'required' });
    expect(((await response.json()) as { choices: unknown }).choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: null, refusal: null, tool_calls: [shown] },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ]);
    expect(engine.requests[0]?.grammar).toMatchObject({ type: 'tool_calls', required: true, parallel: true });
  });

  it('is streamed as text until it calls, then as whole calls', async () => {
    const { chat, engine } = testApp(tokenizer, `I look. ${call}\n${call}`);
    engine.maxModelLen = 500;
    const events = (await eventsOf(await chat({ tools, stream: true }))).slice(0, -1);
    const choices = (events as { choices: { delta: object; finish_reason: string | null }[] }[]).flatMap(
      ({ choices }) => choices,
    );
    const text = choices.map(({ delta }) => ('content' in delta ? delta.content : '')).join('');
    expect(text).toBe('I look. ');
    expect(choices.slice(-3).map(({ delta, finish_reason }) => [delta, finish_reason])).toEqual([
      [{ tool_calls: [{ index: 0, ...shown }] }, null],
      [{ tool_calls: [{ index: 1, ...shown }] }, null],
      [{}, 'tool_calls'],
    ]);
  });

  it('is text when it was cut in the middle of the call', async () => {
    const { chat } = testApp(tokenizer, call);
    expect(await (await chat({ tools, max_tokens: 20 })).json()).toMatchObject({
      choices: [{ message: { content: '<tool_call>\n{"name":' }, finish_reason: 'length' }],
    });
  });

  it('is text when functions were not to be called', async () => {
    const { chat, engine } = testApp(tokenizer, 'Hi');
    await chat({ tools, tool_choice: 'none' });
    expect(engine.requests[0]?.grammar).toBeNull();
  });
});

describe('the chat template', () => {
  it('gets the functions, and earlier calls with their arguments as values', async () => {
    const seen: unknown[] = [];
    const watched: Tokenizer = {
      ...tokenizer,
      applyChatTemplate: (messages, options) => {
        seen.push(messages, options);
        return 'a';
      },
    };
    const { chat } = testApp(watched, 'x');
    const earlier = {
      id: 'call_1',
      type: 'function',
      function: { name: 'weather', arguments: '{"city":"Bern"}' },
    };
    await chat({
      tools,
      messages: [
        { role: 'developer', content: 'Be short.' },
        { role: 'assistant', content: null, tool_calls: [earlier] },
        { role: 'tool', content: 'rain', tool_call_id: 'call_1' },
      ],
    });
    expect(seen).toEqual([
      [
        { role: 'system', content: 'Be short.' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ ...earlier, function: { name: 'weather', arguments: { city: 'Bern' } } }],
        },
        { role: 'tool', content: 'rain', tool_call_id: 'call_1' },
      ],
      { addGenerationPrompt: true, tools },
    ]);
  });
});

describe('a request with functions', () => {
  const refusal = async (fields: object, served = tokenizer) => {
    const response = await testApp(served, 'x').chat(fields);
    const { error } = (await response.json()) as { error: { message: string; param: string } };
    return [response.status, error.param, error.message];
  };

  it('is refused for a model that has no way to call them', async () => {
    expect(await refusal({ tools }, plain)).toEqual([
      400,
      'tools',
      "tools: the model's chat template does not say how it calls functions, or in a way that is not known here",
    ]);
  });

  it('is refused for a choice that is not among them', async () => {
    const choice = { type: 'function', function: { name: 'time' } };
    const named = 'tool_choice names a function that is not in tools';
    expect(await refusal({ tools, tool_choice: choice })).toEqual([400, 'tool_choice', named]);
    expect(await refusal({ tool_choice: 'required' })).toEqual([
      400,
      'tool_choice',
      'tool_choice: needs tools',
    ]);
  });

  it('is refused beside a response format', async () => {
    expect(await refusal({ tools, response_format: { type: 'json_object' } })).toEqual([
      400,
      'response_format',
      'response_format: leave it out beside tools, or set tool_choice to none',
    ]);
  });
});

describe('a response format', () => {
  const schema = { type: 'object' };
  it.each([
    [{ response_format: { type: 'text' } }, null],
    [{ response_format: { type: 'json_object' } }, { type: 'json_object' }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } } },
      { type: 'json_schema', schema },
    ],
    [{ structured_outputs: { json: schema } }, { type: 'json_schema', schema }],
    [{ structured_outputs: { json_object: true } }, { type: 'json_object' }],
    [{ structured_outputs: { regex: 'a+' } }, { type: 'regex', pattern: 'a+' }],
    [{ structured_outputs: { choice: ['yes', 'no (?)'] } }, { type: 'regex', pattern: 'yes|no \\(\\?\\)' }],
  ])('%j is the grammar %j', async (fields, grammar) => {
    const { chat, complete, engine } = testApp(plain, 'x');
    await chat(fields);
    await complete(fields);
    expect(engine.requests.map((request) => request.grammar)).toEqual([grammar, grammar]);
  });
});
