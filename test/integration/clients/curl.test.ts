/** The curl lines of docs/server.md, as they are printed but for the port, against the real model. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServedModel, serveModel } from './served-model.ts';

const run = promisify(execFile);
const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'server.md'), 'utf8');
const commands = [...page.matchAll(/^```sh\n(curl .*?)^```$/gms)].map(([, command]) => command ?? '');

let model: ServedModel;
beforeAll(async () => {
  model = await serveModel();
});
afterAll(() => model?.stop());

const outputOf = async (part: string): Promise<string> => {
  const [command, ...others] = commands.filter((text) => text.includes(part));
  if (command === undefined || others.length > 0) throw new Error(`not one command with ${part}`);
  const { stdout } = await run('bash', ['-c', command.replace('http://127.0.0.1:8000', model.url)]);
  return stdout;
};
const jsonOf = async (part: string) => JSON.parse(await outputOf(part));

const ofChat = '"max_tokens": 16, "temperature": 0';

test('a conversation is answered, and streamed with its usage', async () => {
  const { choices } = await jsonOf(ofChat);
  expect(choices).toMatchObject([{ message: { content: expect.stringContaining('Paris') } }]);
  const events = (await outputOf('"stream": true')).trim().split('\n\n');
  expect(events.at(-1)).toBe('data: [DONE]');
  expect(JSON.parse(events.at(-2)?.slice('data: '.length) ?? '')).toMatchObject({
    choices: [],
    usage: { completion_tokens: expect.any(Number) },
  });
});

test('an echo has one entry for each token of the prompt and one for the answer', async () => {
  const { choices, usage } = await jsonOf('"echo": true');
  const [{ text, logprobs }] = choices;
  expect(text.startsWith('The sea is blue')).toBe(true);
  expect([logprobs.token_logprobs.length, logprobs.token_logprobs[0]]).toEqual([
    usage.prompt_tokens + 1,
    null,
  ]);
});

test('the tokenizer is there, both ways', async () => {
  const { tokens } = await jsonOf('/tokenize ');
  expect(await jsonOf('/detokenize ')).toEqual({ prompt: 'The sea' });
  expect(tokens).toEqual([504, 3426]);
  expect(await jsonOf('/tokenizer_info')).toMatchObject({ eos_token: '<|im_end|>' });
});

test('the model says its length', async () => {
  expect(await jsonOf('/v1/models')).toMatchObject({ data: [{ id: 'smol', max_model_len: 1024 }] });
});

test('an answer under a schema has its fields', async () => {
  const { choices } = await jsonOf('response_format');
  expect(Object.keys(JSON.parse(choices[0].message.content))).toEqual(['city', 'country']);
});
