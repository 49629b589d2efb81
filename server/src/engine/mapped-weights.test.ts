import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFixtureModel } from '../model/fixture.ts';
import { type ModelFolder, openModelFolder } from '../model/folder.ts';
import { Decoder } from './decoder.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longpo-mapped-'));
});
afterEach(() => rm(directory, { recursive: true }));

const ids = Array.from({ length: 60 }, (_, i) => (i * 29 + 5) % 96);

async function open({ architecture, tensors }: ModelFolder, mapWeights: boolean): Promise<Decoder> {
  const { ropeTheta } = architecture;
  const sizes = { positions: 100, slots: 1, threads: 1, chunkTokens: 64, maxDraft: 0 };
  return Decoder.open({
    architecture,
    tensors,
    quantized: null,
    ropeTheta,
    bitEqual: true,
    mapWeights,
    ...sizes,
  });
}

/** Mappings of the model's files in this process: ONNX Runtime makes one for each weight that it reads in place. */
async function mappings(): Promise<number> {
  const lines = (await readFile('/proc/self/maps', 'utf8')).split('\n');
  return lines.filter((line) => line.includes(directory)).length;
}

test.each(['F32', 'BF16'] as const)(
  '%s: mapped weights are all read in place; copied ones are not, but for the rows of the embedding',
  async (dtype) => {
    await writeFixtureModel(directory, { dtype, config: { tie_word_embeddings: false } });
    const folder = await openModelFolder(directory);
    const found: { inPlace: number; logits: Float32Array }[] = [];
    for (const mapped of [true, false]) {
      const decoder = await open(folder, mapped);
      const logits = (await decoder.run({ slot: 0, ids, past: 0 })).slice();
      found.push({ inPlace: await mappings(), logits });
      await decoder.close();
    }
    const [mapped, copied] = found;
    // Norm vectors of float32 are small enough to stay where they are in any case.
    const vectors = [...folder.tensors.values()].filter(({ shape }) => shape.length === 1).length;
    expect({ mapped: mapped?.inPlace, copied: copied?.inPlace, closed: await mappings() }).toEqual({
      mapped: folder.tensors.size,
      copied: dtype === 'F32' ? 1 + vectors : 1,
      closed: 0,
    });
    for (const [i, logit] of (mapped?.logits ?? []).entries())
      expect(copied?.logits[i]).toBeCloseTo(logit, 4);
  },
);

test('mapped weights keep the promise: no bit depends on how a prompt is cut', async () => {
  await writeFixtureModel(directory, { dtype: 'BF16' });
  const decoder = await open(await openModelFolder(directory), true);
  const readIn = async (...cuts: number[]): Promise<Float32Array> => {
    let logits = new Float32Array();
    for (const [i, past] of cuts.entries())
      logits = (await decoder.run({ slot: 0, ids: ids.slice(past, cuts[i + 1]), past })).slice();
    return logits;
  };
  const whole = await readIn(0);
  expect([await readIn(0, 59), await readIn(0, 1, 3, 30)]).toEqual([whole, whole]);
  await decoder.close();
});

test.each([
  { how: 'deleted and made anew', remove: true },
  { how: 'written into', remove: false },
])('mapped weights are those of the file that was opened: $how', async ({ remove }) => {
  await writeFixtureModel(directory, { dtype: 'BF16', seed: 1 });
  const decoder = await open(await openModelFolder(directory), true);
  const logits = async () => (await decoder.run({ slot: 0, ids, past: 0 })).slice();
  const before = await logits();
  if (remove) await rm(directory, { recursive: true });
  await writeFixtureModel(directory, { dtype: 'BF16', seed: 2 });
  const after = await logits();
  await decoder.close();
  if (remove) expect(after).toEqual(before);
  else expect(after).not.toEqual(before);
});
