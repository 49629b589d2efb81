/** tokenizer.json, tokenizer_config.json and the chat template of a folder, opened once. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { type ChatMessage, compileChatTemplate, TokenizerError } from './chat-template.ts';
import { StreamDecoder } from './stream-decoder.ts';

export interface Tokenizer {
  /** Special-token text is parsed; no token is added. */
  encode(text: string): number[];
  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  count(text: string): number;
  renderChat(messages: readonly ChatMessage[], options: { addGenerationPrompt: boolean }): string;
  /** Ids of the messages with the header of the assistant's answer, as the model was trained to see them. */
  encodeChat(messages: readonly ChatMessage[]): number[];
  streamDecoder(): StreamDecoder;
}

type Json = Record<string, unknown>;

async function readOptional(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readRequired(folder: string, name: string): Promise<Json> {
  const text = await readOptional(folder, name);
  if (text === undefined)
    throw new TokenizerError(
      'MODEL_INCOMPLETE',
      `${join(folder, name)} is missing: download the model folder again`,
    );
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new TokenizerError(
      'MODEL_INCOMPLETE',
      `${join(folder, name)} is not JSON: download the model folder again`,
      {
        cause: error,
      },
    );
  }
}

/** A token in tokenizer_config.json is a string, or an object with the string as content. */
function tokenText(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null && 'content' in value ? String(value.content) : '';
}

async function chatTemplateSource(folder: string, config: Json): Promise<string> {
  const file = await readOptional(folder, 'chat_template.jinja');
  const source = file ?? (typeof config.chat_template === 'string' ? config.chat_template : undefined);
  if (source !== undefined) return source;
  throw new TokenizerError(
    'MODEL_INCOMPLETE',
    `${folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): an instruct model is needed`,
  );
}

export async function openTokenizer(folder: string): Promise<Tokenizer> {
  const [tokenizerJson, config] = await Promise.all([
    readRequired(folder, 'tokenizer.json'),
    readRequired(folder, 'tokenizer_config.json'),
  ]);
  const hub = new HubTokenizer(tokenizerJson, config);
  const render = compileChatTemplate(await chatTemplateSource(folder, config), {
    bos_token: tokenText(config.bos_token),
    eos_token: tokenText(config.eos_token),
    pad_token: tokenText(config.pad_token),
    unk_token: tokenText(config.unk_token),
  });
  const encode = (text: string): number[] => hub.encode(text, { add_special_tokens: false }).ids;
  const decode: Tokenizer['decode'] = (ids, { skipSpecialTokens = true } = {}) =>
    ids.length === 0
      ? ''
      : hub.decode([...ids], { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false });
  return {
    encode,
    decode,
    count: (text) => encode(text).length,
    renderChat: (messages, { addGenerationPrompt }) => render(messages, addGenerationPrompt),
    encodeChat: (messages) => encode(render(messages, true)),
    streamDecoder: () => new StreamDecoder((ids) => decode(ids)),
  };
}
