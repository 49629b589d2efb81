import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { byteTokenId, writeByteTokenizer } from './fixture.ts';
import { openTokenizer } from './tokenizer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokens-'));
  await writeByteTokenizer(folder);
});
afterEach(() => rm(folder, { recursive: true }));

describe('openTokenizer', () => {
  it('encodes bytes and special tokens, adds nothing, and decodes back', async () => {
    const tokenizer = await openTokenizer(folder);
    const ids = tokenizer.encode('é<|im_end|>');
    expect(ids).toEqual([byteTokenId(0xc3), byteTokenId(0xa9), 2]);
    expect([tokenizer.decode(ids), tokenizer.decode(ids, { skipSpecialTokens: false })]).toEqual([
      'é',
      'é<|im_end|>',
    ]);
    expect([tokenizer.count('abc'), tokenizer.decode([])]).toEqual([3, '']);
  });

  it('renders chats with and without the header of the answer', async () => {
    const tokenizer = await openTokenizer(folder);
    const messages = [{ role: 'user', content: 'Hi' }] as const;
    const chat = '<|im_start|>user\nHi<|im_end|>\n';
    expect(tokenizer.renderChat(messages, { addGenerationPrompt: false })).toBe(chat);
    expect(tokenizer.encodeChat(messages)).toEqual(tokenizer.encode(`${chat}<|im_start|>assistant\n`));
  });

  it('takes the template from tokenizer_config.json when there is no file of its own', async () => {
    await rm(join(folder, 'chat_template.jinja'));
    await writeFile(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({
        bos_token: { content: '<|im_start|>' },
        chat_template: '{{ bos_token }}{{ messages[0].content }}',
      }),
    );
    const tokenizer = await openTokenizer(folder);
    expect(tokenizer.renderChat([{ role: 'user', content: 'x' }], { addGenerationPrompt: true })).toBe(
      '<|im_start|>x',
    );
  });

  it.each(['tokenizer.json', 'tokenizer_config.json'])('names %s when it is missing', async (name) => {
    await rm(join(folder, name));
    await expect(openTokenizer(folder)).rejects.toMatchObject({
      code: 'MODEL_INCOMPLETE',
      message: expect.stringContaining(`${name} is missing`) as string,
    });
  });

  it('says when a model has no chat template, and what a template refuses', async () => {
    await writeFile(join(folder, 'chat_template.jinja'), "{{ raise_exception('roles must alternate') }}");
    const tokenizer = await openTokenizer(folder);
    expect(() => tokenizer.encodeChat([])).toThrow('roles must alternate');
    await rm(join(folder, 'chat_template.jinja'));
    await expect(openTokenizer(folder)).rejects.toThrow('has no chat template');
  });
});

describe('StreamDecoder', () => {
  it('gives whole characters only, and the same text as one decoding', async () => {
    const tokenizer = await openTokenizer(folder);
    const text = 'a é 漢 🇫🇷!';
    const decoder = tokenizer.streamDecoder();
    const pieces = tokenizer.encode(text).map((id) => decoder.push(id));
    expect(pieces.filter((piece) => piece !== '')).toEqual(['a', ' ', 'é', ' ', '漢', ' ', '🇫', '🇷', '!']);
    expect(pieces.join('') + decoder.end()).toBe(text);
  });

  it('ends an incomplete character with the replacement character', async () => {
    const tokenizer = await openTokenizer(folder);
    const decoder = tokenizer.streamDecoder();
    const [first = 0] = tokenizer.encode('é');
    expect([decoder.push(first), decoder.end()]).toEqual(['', '\uFFFD']);
  });
});
