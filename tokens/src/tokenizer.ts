/** tokenizer.json, tokenizer_config.json and the chat template of a folder, opened once. */
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { type ChatMessage, openChatTemplate } from './chat-template.ts';
import { readEosTokenIds, readRequired } from './model-files.ts';
import { StreamDecoder } from './stream-decoder.ts';

export interface Tokenizer {
  /** Ends of a turn or text, from generation_config.json and config.json. */
  readonly eosTokenIds: readonly number[];
  /** Special-token text is parsed; no token is added. */
  encode(text: string): number[];
  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  count(text: string): number;
  applyChatTemplate(messages: readonly ChatMessage[], options: { addGenerationPrompt: boolean }): string;
  /** Ids of the messages with the header of the assistant's answer, as the model was trained to see them. */
  chat(messages: readonly ChatMessage[]): number[];
  streamDecoder(stop?: string | readonly string[] | null): StreamDecoder;
}

export async function openTokenizer(folder: string): Promise<Tokenizer> {
  const [tokenizerJson, config, eosTokenIds] = await Promise.all([
    readRequired(folder, 'tokenizer.json'),
    readRequired(folder, 'tokenizer_config.json'),
    readEosTokenIds(folder),
  ]);
  const hub = new HubTokenizer(tokenizerJson, config);
  const render = await openChatTemplate(folder, config);
  const encode = (text: string): number[] => hub.encode(text, { add_special_tokens: false }).ids;
  const decode: Tokenizer['decode'] = (ids, { skipSpecialTokens = true } = {}) =>
    ids.length === 0
      ? ''
      : hub.decode([...ids], { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false });
  return {
    eosTokenIds,
    encode,
    decode,
    count: (text) => encode(text).length,
    applyChatTemplate: (messages, { addGenerationPrompt }) => render(messages, addGenerationPrompt),
    chat: (messages) => encode(render(messages, true)),
    streamDecoder: (stop) => new StreamDecoder((ids) => decode(ids), stop),
  };
}
