/** tokenizer.json, tokenizer_config.json and the chat template of a folder, opened once. */
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import {
  type ChatMessage,
  type ChatOptions,
  openChatTemplate,
  specialTokens,
  tokenText,
} from './chat-template.ts';
import { readEosTokenIds, readRequired } from './model-files.ts';
import { StreamDecoder, type StreamDecoderOptions } from './stream-decoder.ts';

/** What tokenizer_config.json and the chat template say, for clients that want to do the same. */
export interface TokenizerInfo {
  /** bos_token and its like: name to text, null where the model has none. */
  readonly specialTokens: Readonly<Record<string, string | null>>;
  readonly chatTemplate: string | null;
}

export interface Tokenizer {
  /** Ends of a turn or text, from generation_config.json and config.json. */
  readonly eosTokenIds: readonly number[];
  readonly info: TokenizerInfo;
  /** Special-token text is parsed; no token is added unless asked for. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  count(text: string): number;
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions): string;
  /** Ids of the messages with the header of the assistant's answer, as the model was trained to see them. */
  chat(messages: readonly ChatMessage[], options?: { tools?: readonly unknown[] | null }): number[];
  streamDecoder(options?: StreamDecoderOptions): StreamDecoder;
}

export async function openTokenizer(folder: string): Promise<Tokenizer> {
  const [tokenizerJson, config, eosTokenIds] = await Promise.all([
    readRequired(folder, 'tokenizer.json'),
    readRequired(folder, 'tokenizer_config.json'),
    readEosTokenIds(folder),
  ]);
  const hub = new HubTokenizer(tokenizerJson, config);
  const template = await openChatTemplate(folder, config);
  const encode: Tokenizer['encode'] = (text, { addSpecialTokens = false } = {}) =>
    hub.encode(text, { add_special_tokens: addSpecialTokens }).ids;
  const decode: Tokenizer['decode'] = (ids, { skipSpecialTokens = true } = {}) =>
    ids.length === 0
      ? ''
      : hub.decode([...ids], { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false });
  return {
    eosTokenIds,
    info: {
      specialTokens: Object.fromEntries(specialTokens.map((name) => [name, tokenText(config[name]) ?? null])),
      chatTemplate: template.source,
    },
    encode,
    decode,
    count: (text) => encode(text).length,
    applyChatTemplate: template.render,
    chat: (messages, { tools = null } = {}) =>
      encode(template.render(messages, { addGenerationPrompt: true, tools })),
    streamDecoder: ({ skipSpecialTokens = true, ...options } = {}) =>
      new StreamDecoder((ids) => decode(ids, { skipSpecialTokens }), options),
  };
}
