import { expect, test } from 'vitest';
import { parseToolCalls, ToolCallText } from './tool-call-text.ts';
import { toolFormat, toolGrammar } from './tool-calls.ts';

const weather = { name: 'weather', arguments: '{"city":"Bern"}' };
const time = { name: 'time', arguments: '{}' };

test('the format is the one that the chat template shows', () => {
  expect({
    qwen: toolFormat('{{- "<tool_call>\\n" }}{{ tool_call.arguments | tojson }}'),
    llama: toolFormat(`{{- '"parameters": ' }}{% if role == 'ipython' %}{{ "<|python_tag|>" }}`),
    mistral: toolFormat('{{- "[TOOL_CALLS] [" }}'),
    mistralLater: toolFormat('{{- "[TOOL_CALLS]" + name + "[ARGS]" }}'),
    qwenCoder: toolFormat('<tool_call>\n<function=name>'),
    plain: toolFormat('{{ message.content }}'),
    base: toolFormat(null),
  }).toEqual({
    qwen: 'hermes',
    llama: 'llama3',
    mistral: 'mistral',
    mistralLater: null,
    qwenCoder: null,
    plain: null,
    base: null,
  });
});

test('reads several calls and the text around them', () => {
  const text =
    'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>\n' +
    '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>';
  expect(parseToolCalls('hermes', text)).toEqual({ content: 'Let me see.', calls: [weather, time] });
});

test('reads a list of calls with and without the marker, which is a token that the text does not show', () => {
  const list = '[{"name": "weather", "arguments": {"city": "Bern"}}, {"name": "time", "arguments": {}}]';
  const expected = { content: '', calls: [weather, time] };
  expect(parseToolCalls('mistral', list)).toEqual(expected);
  expect(parseToolCalls('mistral', `[TOOL_CALLS]${list}`)).toEqual(expected);
});

test('reads a bare call, with or without the token before it', () => {
  const call = '{"name": "weather", "parameters": {"city": "Bern"}}';
  expect(parseToolCalls('llama3', call)).toEqual({ content: '', calls: [weather] });
  expect(parseToolCalls('llama3', `<|python_tag|>${call}`)).toEqual({ content: '', calls: [weather] });
});

test('takes arguments that are JSON in a string', () => {
  const text = '<tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Bern\\"}"}</tool_call>';
  expect(parseToolCalls('hermes', text).calls).toEqual([weather]);
});

test.each([
  ['hermes', 'a <tool_call>\n{"name": "weather", "argum'],
  ['hermes', '<tool_call>{"name": 3, "arguments": {}}</tool_call>'],
  ['llama3', 'The object {"name": "weather"'],
  ['mistral', '[{"name": "weather"}, 3]'],
] as const)('%s: what does not come to a call is text: %s', (format, text) => {
  expect(parseToolCalls(format, text)).toEqual({ content: text, calls: [] });
});

test('gives text out as it comes, but nothing that may begin a call', () => {
  const text = new ToolCallText('hermes');
  const pieces = ['2 < 3 <', 'b> <tool', '_call>{"name": "time", ', '"arguments": {}}</tool_call>'];
  expect(pieces.map((piece) => text.push(piece))).toEqual(['2 < 3 ', '<b> ', '', '']);
  expect(text.end()).toEqual({ content: '', calls: [time] });
});

test('gives out in the end what was held back in vain', () => {
  const text = new ToolCallText('hermes');
  expect([text.push('a <tool'), text.end()]).toEqual(['a ', { content: '<tool', calls: [] }]);
});

const tools = [
  { function: { name: 'weather', parameters: { type: 'object' } } },
  { function: { name: 'time' } },
];

test('a named function is the only one, called once; none leaves the text free', () => {
  expect(toolGrammar('hermes', tools, { function: { name: 'time' } })).toEqual({
    type: 'tool_calls',
    open: '',
    separator: '\n',
    close: '',
    begin: '<tool_call>\n',
    argumentsKey: 'arguments',
    end: '\n</tool_call>',
    tools: [{ name: 'time', parameters: {} }],
    required: true,
    parallel: false,
  });
  expect(toolGrammar('hermes', tools, 'none')).toBeNull();
  expect(() => toolGrammar('hermes', tools, { function: { name: 'date' } })).toThrow(RangeError);
});

test('auto and required offer all functions; Llama 3 calls one at a time', () => {
  const of = (format: 'hermes' | 'llama3', choice: 'auto' | 'required', parallel?: boolean) => {
    const grammar = toolGrammar(format, tools, choice, parallel);
    return grammar?.type === 'tool_calls' && [grammar.tools.length, grammar.required, grammar.parallel];
  };
  expect([of('hermes', 'auto'), of('hermes', 'required', false), of('llama3', 'required')]).toEqual([
    [2, false, true],
    [2, true, false],
    [2, true, false],
  ]);
});
