import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokenizer, type Tokenizer } from '@longpo/tokens';
import { writeByteTokenizer } from '@longpo/tokens/fixture';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Encoder } from './encoder.ts';

let folder: string;
let tokenizer: Tokenizer;
let encoder: Encoder;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'encoder-'));
  await writeByteTokenizer(folder);
  tokenizer = await openTokenizer(folder);
  encoder = await Encoder.open(folder, tokenizer);
});
afterEach(async () => {
  await encoder.close();
  await rm(folder, { recursive: true });
});

it('gives the ids of the tokenizer, for short and for long texts at once', async () => {
  const texts = ['', 'Hé<|im_end|>', 'é<|im_start|>'.repeat(2000), 'abc '.repeat(5000)];
  const ids = await Promise.all(texts.map((text) => encoder.encode(text)));
  expect(ids).toEqual(texts.map((text) => tokenizer.encode(text)));
});

it('leaves the thread of its caller free', async () => {
  let turns = 0;
  const ticking = setInterval(() => {
    turns += 1;
  });
  // Where the caller had to wait there would be one turn at most.
  await encoder.encode('word '.repeat(200_000));
  clearInterval(ticking);
  expect(turns).toBeGreaterThan(10);
});

it('keeps the tokenizer that it has opened when the folder gets another', async () => {
  const text = 'word '.repeat(1000);
  await writeFile(join(folder, 'tokenizer.json'), '{}');
  expect(await encoder.encode(text)).toEqual(tokenizer.encode(text));
});

it('fails what runs when it is closed, and encodes again after that', async () => {
  const text = 'word '.repeat(100_000);
  const running = encoder.encode(text);
  const failed = expect(running).rejects.toThrow('the thread that encodes has ended');
  await encoder.close();
  await failed;
  expect((await encoder.encode(text)).length).toBe(text.length);
});
