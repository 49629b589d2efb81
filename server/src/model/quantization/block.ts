/**
 * Block quantisation as MatMulNBits reads it: each run of `blockSize` weights of a row shares a scale, and the code
 * of zero is the middle of the range: weight = (code - 2^(bits - 1)) * scale. (Measured on SmolLM2-135M: stored zero
 * points or a search for the best scale change the error less than the choice of which matrices get 8 bits.)
 */

export interface BlockFormat {
  readonly bits: 4 | 8;
  readonly blockSize: number;
}

/** Formats by the name of a matrix, or of the first of a stack. */
export type FormatOf = (name: string) => BlockFormat;

export interface QuantizedRows {
  /** [row, block, blockSize * bits / 8]; of two 4-bit codes the first is in the low half. */
  readonly values: Uint8Array;
  /** [row, block] */
  readonly scales: Float32Array;
}

export const blocksOf = (columns: number, format: BlockFormat): number =>
  Math.ceil(columns / format.blockSize);
export const blockBytes = (format: BlockFormat): number => (format.blockSize * format.bits) / 8;

/** `weights` is [rows, columns]; a last block that is not full is padded with the code of zero. */
export function quantizeRows(weights: Float32Array, columns: number, format: BlockFormat): QuantizedRows {
  const rows = weights.length / columns;
  const blocks = blocksOf(columns, format);
  const values = new Uint8Array(rows * blocks * blockBytes(format));
  const scales = new Float32Array(rows * blocks);
  const write = format.bits === 4 ? writeNibbles : writeBytes;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const index = row * blocks + block;
      const from = row * columns + block * format.blockSize;
      const run = weights.subarray(from, Math.min(from + format.blockSize, (row + 1) * columns));
      const scale = scaleOf(run, 2 ** (format.bits - 1));
      scales[index] = scale;
      write(values, index * blockBytes(format), run, scale, format.blockSize);
    }
  }
  return { values, scales };
}

/** The largest weight by magnitude takes the lowest code, whatever its sign: 4 bits reach -8 but only +7. */
function scaleOf(run: Float32Array, middle: number): number {
  let extreme = 0;
  for (let i = 0; i < run.length; i++) {
    const value = run[i] ?? 0;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  return extreme === 0 ? 0 : Math.fround(extreme / -middle);
}

function codeOf(weight: number | undefined, scale: number, middle: number): number {
  if (weight === undefined || scale === 0) return middle;
  return Math.min(Math.max(Math.round(weight / scale) + middle, 0), 2 * middle - 1);
}

type Write = (values: Uint8Array, at: number, run: Float32Array, scale: number, blockSize: number) => void;

const writeBytes: Write = (values, at, run, scale, blockSize) => {
  for (let i = 0; i < blockSize; i++) values[at + i] = codeOf(run[i], scale, 128);
};

const writeNibbles: Write = (values, at, run, scale, blockSize) => {
  for (let i = 0; i < blockSize; i += 2) {
    values[at + i / 2] = codeOf(run[i], scale, 8) | (codeOf(run[i + 1], scale, 8) << 4);
  }
};
