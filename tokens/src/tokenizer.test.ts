import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { byteTokenId, writeByteTokenizer } from './fixture.ts';
import { openTokenizer } from './tokenizer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokens-'));
  await writeByteTokenizer(folder);
});
afterEach(() => rm(folder, { recursive: true }));

const writeJson = (name: string, value: object) => writeFile(join(folder, name), JSON.stringify(value));
const hello = [{ role: 'user', content: 'Hi' }] as const;

it('encodes bytes and special tokens, adds nothing, and decodes back', async () => {
  const tokenizer = await openTokenizer(folder);
  const ids = tokenizer.encode('é<|im_end|>');
  expect(ids).toEqual([byteTokenId(0xc3), byteTokenId(0xa9), 2]);
  expect([tokenizer.decode(ids), tokenizer.decode(ids, { skipSpecialTokens: false })]).toEqual([
    'é',
    'é<|im_end|>',
  ]);
  expect([tokenizer.count('abc'), tokenizer.encode(''), tokenizer.decode([])]).toEqual([3, [], '']);
});

it('renders chats with and without the header of the answer', async () => {
  const tokenizer = await openTokenizer(folder);
  const chat = '<|im_start|>user\nHi<|im_end|>\n';
  expect(tokenizer.applyChatTemplate(hello, { addGenerationPrompt: false })).toBe(chat);
  expect(tokenizer.chat(hello)).toEqual(tokenizer.encode(`${chat}<|im_start|>assistant\n`));
});

it.each([
  ['a string', '{{ bos_token }}{{ messages[0].content }}'],
  [
    'a list',
    [
      { name: 'rag', template: 'other' },
      { name: 'default', template: '{{ bos_token }}{{ messages[0].content }}' },
    ],
  ],
])('takes the template from tokenizer_config.json, as %s', async (_, chat_template) => {
  await rm(join(folder, 'chat_template.jinja'));
  await writeJson('tokenizer_config.json', { bos_token: { content: '<|im_start|>' }, chat_template });
  const tokenizer = await openTokenizer(folder);
  expect(tokenizer.applyChatTemplate(hello, { addGenerationPrompt: true })).toBe('<|im_start|>Hi');
});

it('gives templates the variables that transformers gives', async () => {
  const source = '{{ tools is none }} {{ documents is none }} {{ eos_token }} {{ cls_token is defined }}';
  await writeFile(join(folder, 'chat_template.jinja'), source);
  const tokenizer = await openTokenizer(folder);
  expect(tokenizer.applyChatTemplate(hello, { addGenerationPrompt: true })).toBe(
    'true true <|im_end|> false',
  );
});

it('unites the ends of text of both configs', async () => {
  expect((await openTokenizer(folder)).eosTokenIds).toEqual([]);
  await writeJson('config.json', { eos_token_id: 2 });
  await writeJson('generation_config.json', { eos_token_id: [2, 0] });
  expect((await openTokenizer(folder)).eosTokenIds).toEqual([2, 0]);
});

it.each(['tokenizer.json', 'tokenizer_config.json'])(
  'names %s when it is missing or broken',
  async (name) => {
    const failure = (what: string) => ({
      code: 'MODEL_INCOMPLETE',
      message: `${join(folder, name)} ${what}: download the model folder again`,
    });
    await writeFile(join(folder, name), '{"version"');
    await expect(openTokenizer(folder)).rejects.toMatchObject(failure('is not JSON'));
    await writeFile(join(folder, name), '[]');
    await expect(openTokenizer(folder)).rejects.toMatchObject(failure('is not a JSON object'));
    await rm(join(folder, name));
    await expect(openTokenizer(folder)).rejects.toMatchObject(failure('is missing'));
  },
);

it('says what a template refuses', async () => {
  await writeFile(join(folder, 'chat_template.jinja'), "{{ raise_exception('roles must alternate') }}");
  const tokenizer = await openTokenizer(folder);
  expect(() => tokenizer.chat(hello)).toThrow(
    expect.objectContaining({
      code: 'CHAT_TEMPLATE_FAILED',
      message: "the model's chat template refuses these messages: roles must alternate",
    }),
  );
});

it('opens a model without a chat template, which only cannot chat', async () => {
  await rm(join(folder, 'chat_template.jinja'));
  const tokenizer = await openTokenizer(folder);
  expect(tokenizer.decode(tokenizer.encode('plain'))).toBe('plain');
  expect(() => tokenizer.chat(hello)).toThrow(expect.objectContaining({ code: 'CHAT_TEMPLATE_MISSING' }));
});
