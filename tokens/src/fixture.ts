/**
 * A tokenizer for the small models that tests make: every byte is a token, plus the three ChatML specials. Written
 * as tokenizer.json, so that this package and transformers read the same file.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const specials = { endOfText: '<|endoftext|>', start: '<|im_start|>', end: '<|im_end|>' } as const;
const specialTokens = Object.values(specials);

/** GPT-2's table: printable bytes stand for themselves, the others for characters from U+0100 on. */
export function byteSymbols(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

/** Ids: 0 to 2 are the specials, then one per byte value. */
export const byteVocabularySize = specialTokens.length + 256;
export const byteTokenId = (byte: number): number => specialTokens.length + byte;

const chatTemplate = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`;

function tokenizerJson(): object {
  const vocab = Object.fromEntries([...specialTokens, ...byteSymbols()].map((token, id) => [token, id]));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: [],
    },
  };
}

export async function writeByteTokenizer(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: specials.start,
    eos_token: specials.end,
    pad_token: specials.end,
    unk_token: specials.endOfText,
  };
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson()));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'chat_template.jinja'), chatTemplate);
}
