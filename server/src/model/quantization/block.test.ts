import { expect, test } from 'vitest';
import { type BlockFormat, blockBytes, blocksOf, quantizeRows } from './block.ts';

function dequantized(weights: Float32Array, columns: number, format: BlockFormat): Float32Array {
  const { values, scales } = quantizeRows(weights, columns, format);
  const blocks = blocksOf(columns, format);
  return weights.map((_, i) => {
    const row = Math.floor(i / columns);
    const column = i % columns;
    const block = row * blocks + Math.floor(column / format.blockSize);
    const within = column % format.blockSize;
    const start = block * blockBytes(format);
    const code =
      format.bits === 8
        ? (values[start + within] ?? 0)
        : ((values[start + (within >> 1)] ?? 0) >> (4 * (within & 1))) & 15;
    return (code - 2 ** (format.bits - 1)) * (scales[block] ?? 0);
  });
}

const weights = Float32Array.from({ length: 5 * 80 }, (_, i) => Math.sin(i * i) * (1 + (i % 7)));

// A step is the extreme over the middle code; the other sign lacks one code, so its end may be off by a whole step.
test.each([4, 8] as const)('%d bits: no weight moves further than one step of its block', (bits) => {
  const format = { bits, blockSize: 32 };
  const back = dequantized(weights, 80, format);
  const { scales } = quantizeRows(weights, 80, format);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const step = Math.abs(scales[Math.floor(i / 80) * 3 + Math.floor((i % 80) / 32)] ?? 0);
    const error = Math.abs((back[i] ?? 0) - (weights[i] ?? 0));
    expect(error).toBeLessThanOrEqual(step * 1.0001);
    total += error / step;
  }
  expect(total / weights.length).toBeLessThan(0.3);
});

test('weights on the grid come back exactly, the extreme included', () => {
  const grid = Float32Array.from({ length: 32 }, (_, i) => ((i % 16) - 8) * 0.25);
  expect(dequantized(grid, 32, { bits: 4, blockSize: 32 })).toEqual(grid);
  expect(
    dequantized(
      grid.map((x) => -x),
      32,
      { bits: 4, blockSize: 32 },
    ),
  ).toEqual(grid.map((x) => -x));
});

test('a block of zeros stays zero', () => {
  expect(dequantized(new Float32Array(32), 32, { bits: 8, blockSize: 32 })).toEqual(new Float32Array(32));
});

test('a short last block is padded with the code of zero', () => {
  const { values } = quantizeRows(Float32Array.of(-8, 7), 2, { bits: 4, blockSize: 8 });
  expect([...values]).toEqual([0xf0, 0x88, 0x88, 0x88]);
});
