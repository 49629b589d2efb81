import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteTokenId, writeByteTokenizer } from './fixture.ts';
import { StreamDecoder } from './stream-decoder.ts';
import { openTokenizer, type Tokenizer } from './tokenizer.ts';

let folder: string;
let tokenizer: Tokenizer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokens-'));
  await writeByteTokenizer(folder);
  tokenizer = await openTokenizer(folder);
});
afterAll(() => rm(folder, { recursive: true }));

function stream(ids: number[], stop: string | string[] = []): { pieces: string[]; stopped: boolean } {
  const decoder = tokenizer.streamDecoder({ stop });
  const pieces: string[] = [];
  for (const id of ids) {
    pieces.push(decoder.push(id));
    if (decoder.stopped) break;
  }
  pieces.push(decoder.end());
  return { pieces: pieces.filter((piece) => piece !== ''), stopped: decoder.stopped };
}

/** The worst tokenizer: one byte a token. */
const bytes = (...values: number[]) => values.map(byteTokenId);

it('gives whole characters only', () => {
  expect(stream(tokenizer.encode('a é 漢 🇫🇷!'))).toEqual({
    pieces: ['a', ' ', 'é', ' ', '漢', ' ', '🇫', '🇷', '!'],
    stopped: false,
  });
});

it('ends an incomplete character with the replacement character', () => {
  expect(stream([...bytes(0x41), ...bytes(0xf0, 0x9f, 0x98)]).pieces).toEqual(['A', '\uFFFD']);
});

it('gives noise out as one decoding does, and a character right after it whole', () => {
  const noise = bytes(...Array.from({ length: 498 }, (_, i) => (i % 7 === 0 ? 0xe2 : 0x80)));
  const ids = [...noise, ...tokenizer.encode('€ and 🇫🇷')];
  const { pieces } = stream(ids);
  expect(pieces.join('')).toBe(tokenizer.decode(ids));
  expect(pieces.slice(-8)).toEqual(['\uFFFD\uFFFD€', ' ', 'a', 'n', 'd', ' ', '🇫', '🇷']);
});

it('says nothing for special tokens', () => {
  expect(stream(tokenizer.encode('a<|im_end|>b')).pieces).toEqual(['a', 'b']);
});

it('never gives out a part of a stop string, and nothing after it', () => {
  expect(stream(tokenizer.encode('one END two'), 'END')).toEqual({
    pieces: ['o', 'n', 'e', ' '],
    stopped: true,
  });
});

it('takes the first of several stop strings, also when one begins inside another', () => {
  expect(stream(tokenizer.encode('abcabd'), ['abd', 'cab'])).toEqual({ pieces: ['ab'], stopped: true });
});

it('gives a false start out as soon as it is one', () => {
  expect(stream(tokenizer.encode('ENTER EN'), ['END'])).toEqual({
    pieces: ['ENT', 'ER', ' ', 'EN'],
    stopped: false,
  });
});

it('finds a stop string that begins in a false start', () => {
  expect(stream(tokenizer.encode('aaab!'), 'aab')).toEqual({ pieces: ['a'], stopped: true });
});

it('takes no stop string, or an empty one, for none', () => {
  expect([stream(tokenizer.encode('ab'), ''), stream(tokenizer.encode('ab'), [])]).toEqual([
    { pieces: ['a', 'b'], stopped: false },
    { pieces: ['a', 'b'], stopped: false },
  ]);
});

it('cuts at a stop string of characters of several bytes', () => {
  expect(stream(tokenizer.encode('漢字。終'), '。')).toEqual({ pieces: ['漢', '字'], stopped: true });
});

describe('a text that goes on', () => {
  const vocabulary = ['\u2581The', '\u2581sea', 'side'];
  /** As SentencePiece decodes: the space of the first word is left out. */
  const decodeWords = (ids: number[]) =>
    ids
      .map((id) => vocabulary[id])
      .join('')
      .replaceAll('\u2581', ' ')
      .replace(/^ /, '');
  const words = (after: number[]) => {
    const decoder = new StreamDecoder(decodeWords, { after });
    return [1, 2, 1].map((id) => decoder.push(id));
  };

  it('keeps the space of its first word, which a beginning has not', () => {
    expect([words([]), words([0]), words(Array<number>(20).fill(0))]).toEqual([
      ['sea', 'side', ' sea'],
      [' sea', 'side', ' sea'],
      [' sea', 'side', ' sea'],
    ]);
  });

  it('completes a character that the tokens before began', () => {
    const [first, ...rest] = tokenizer.encode('é!');
    const decoder = tokenizer.streamDecoder({ after: [...tokenizer.encode('caf'), first ?? 0] });
    expect(rest.map((id) => decoder.push(id))).toEqual(['é', '!']);
  });
});
