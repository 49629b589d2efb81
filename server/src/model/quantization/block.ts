/**
 * Block quantisation as MatMulNBits reads it: each run of `blockSize` weights of a row shares a scale and, if
 * asymmetric, a zero point. weight = (code - zeroPoint) * scale.
 */

export interface BlockFormat {
  readonly bits: 4 | 8;
  readonly blockSize: number;
  /** Without stored zero points the code of zero is the middle of the range. */
  readonly symmetric: boolean;
}

export interface QuantizedRows {
  /** [row, block, blockSize * bits / 8]; of two 4-bit codes the first is in the low half. */
  readonly values: Uint8Array;
  /** [row, block] */
  readonly scales: Float32Array;
  /** [row, ceil(blocks * bits / 8)]; empty if symmetric. */
  readonly zeroPoints: Uint8Array;
}

export const blocksOf = (columns: number, format: BlockFormat): number =>
  Math.ceil(columns / format.blockSize);
export const blockBytes = (format: BlockFormat): number => (format.blockSize * format.bits) / 8;
export const zeroPointBytes = (blocks: number, format: BlockFormat): number =>
  format.symmetric ? 0 : Math.ceil((blocks * format.bits) / 8);

interface BlockCode {
  scale: number;
  zeroPoint: number;
}

/** The largest weight by magnitude takes the code furthest from the middle: 4 bits reach -8 but only +7. */
function symmetricCode(weights: Float32Array, from: number, to: number, bits: number): BlockCode {
  let extreme = 0;
  for (let i = from; i < to; i++) {
    const value = weights[i] ?? 0;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  const zeroPoint = 2 ** (bits - 1);
  return { scale: Math.fround(extreme / -zeroPoint), zeroPoint };
}

/** The range from the smallest to the largest weight, with zero in it, on all codes. */
function asymmetricCode(weights: Float32Array, from: number, to: number, bits: number): BlockCode {
  let low = 0;
  let high = 0;
  for (let i = from; i < to; i++) {
    const value = weights[i] ?? 0;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const top = 2 ** bits - 1;
  const scale = Math.fround((high - low) / top);
  return { scale, zeroPoint: scale === 0 ? 0 : Math.round(-low / scale) };
}

/** `weights` is [rows, columns]; a last block that is not full is padded with the code of zero. */
export function quantizeRows(weights: Float32Array, columns: number, format: BlockFormat): QuantizedRows {
  const { bits, blockSize, symmetric } = format;
  const rows = weights.length / columns;
  const blocks = blocksOf(columns, format);
  const zeroPointRow = zeroPointBytes(blocks, format);
  const values = new Uint8Array(rows * blocks * blockBytes(format));
  const scales = new Float32Array(rows * blocks);
  const zeroPoints = new Uint8Array(rows * zeroPointRow);
  const code = symmetric ? symmetricCode : asymmetricCode;
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * blockSize;
      const to = Math.min(from + blockSize, (row + 1) * columns);
      const { scale, zeroPoint } = code(weights, from, to, bits);
      scales[row * blocks + block] = scale;
      if (!symmetric) pack(zeroPoints, row * zeroPointRow, block, zeroPoint, bits);
      writeCodes(values, at, weights, from, to, { scale, zeroPoint }, format);
      at += blockBytes(format);
    }
  }
  return { values, scales, zeroPoints };
}

function pack(target: Uint8Array, start: number, index: number, value: number, bits: number): void {
  if (bits === 8) target[start + index] = value;
  else target[start + (index >> 1)] = (target[start + (index >> 1)] ?? 0) | (value << (4 * (index & 1)));
}

function writeCodes(
  values: Uint8Array,
  start: number,
  weights: Float32Array,
  from: number,
  to: number,
  { scale, zeroPoint }: BlockCode,
  { bits, blockSize }: BlockFormat,
): void {
  const top = 2 ** bits - 1;
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = 0; i < blockSize; i++) {
    const weight = from + i < to ? (weights[from + i] ?? 0) : 0;
    const code = Math.min(Math.max(Math.round(weight * inverse) + zeroPoint, 0), top);
    if (bits === 8) values[start + i] = code;
    else if (i % 2 === 0) values[start + i / 2] = code;
    else values[start + (i - 1) / 2] = (values[start + (i - 1) / 2] ?? 0) | (code << 4);
  }
}
