/** Whatever the chunks that a prompt is read in, its logits are the same to the last bit: all its slots and peers rely on it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFixtureModel } from '../model/fixture.ts';
import { openModelFolder } from '../model/folder.ts';
import { Decoder } from './decoder.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longpo-cuts-'));
});
afterEach(() => rm(directory, { recursive: true }));

const longest = 140;
const ids = Array.from({ length: longest }, (_, i) => (i * 29 + 5) % 96);

/** The blocks of the attention kernel are of twice the size of a head, or less where the processor's cache is small. */
test.each([16, 32, 64])('heads of %i: a prompt of any length, read at once or in two parts', async (size) => {
  const config = { num_attention_heads: 4, head_dim: size, max_position_embeddings: longest };
  await writeFixtureModel(directory, { config });
  const { architecture, tensors } = await openModelFolder(directory);
  const decoder = await Decoder.open({
    architecture,
    tensors,
    quantized: null,
    ropeTheta: architecture.ropeTheta,
    positions: longest,
    slots: 1,
    threads: 2,
    chunkTokens: longest,
    bitEqual: true,
  });
  const logitsOf = async (from: number, to: number) =>
    (await decoder.run({ slot: 0, ids: ids.slice(from, to), past: from })).slice();
  const different: number[] = [];
  for (let length = 3; length <= longest; length++) {
    const whole = await logitsOf(0, length);
    const part = 1 + ((length * 7) % (length - 1));
    await logitsOf(0, part);
    const parts = await logitsOf(part, length);
    if (whole.some((logit, i) => logit !== parts[i])) different.push(length);
  }
  await decoder.close();
  expect(different).toEqual([]);
});
