/** Rows of a stored matrix as float32. */
import { readSync } from 'node:fs';
import { bytesPerElement, type Dtype, type Tensor } from './safetensors.ts';

let halfTable: Float32Array | undefined;

/** Value of every float16 pattern; 256 KiB once, then a look-up a weight. */
function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return halfTable;
}

export function toFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array {
  if (dtype === 'U8') throw new Error('a U8 tensor has no float values');
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  if (dtype === 'F32') return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const stored = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
  const out = new Float32Array(stored.length);
  if (dtype === 'F16') {
    const table = halves();
    for (let i = 0; i < stored.length; i++) out[i] = table[stored[i] ?? 0] ?? 0;
    return out;
  }
  // bfloat16 is the upper half of a float32.
  const patterns = new Uint32Array(out.buffer);
  for (let i = 0; i < stored.length; i++) patterns[i] = (stored[i] ?? 0) << 16;
  return out;
}

/** Rows [from, from + count) of a matrix, or of a vector taken as one column. */
export function readRows(file: number, tensor: Tensor, from: number, count: number): Float32Array {
  const columns = tensor.shape.slice(1).reduce((product, n) => product * n, 1);
  const rowBytes = columns * bytesPerElement[tensor.dtype];
  const bytes = new Uint8Array(count * rowBytes);
  let done = 0;
  while (done < bytes.length) {
    const read = readSync(file, bytes, done, bytes.length - done, tensor.offset + from * rowBytes + done);
    if (read === 0) throw new Error(`${tensor.file}: ended inside tensor ${tensor.name}`);
    done += read;
  }
  return toFloat32(bytes, tensor.dtype);
}
