/** Quantises parts of a plan into the cache file; several writers work on the same file at once. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { bytesPerElement } from '../safetensors.ts';
import { readRows } from '../weights.ts';
import { quantizeRows } from './block.ts';
import type { Part } from './plan.ts';

/** Source bytes read at once: bounds memory, and how often progress is told. */
const batchBytes = 4 << 20;

export function writeParts(path: string, parts: Iterable<Part>, onBytes: (bytes: number) => void): void {
  const output = openSync(path, 'r+');
  const inputs = new Map<string, number>();
  try {
    for (const part of parts) writePart(output, inputs, part, onBytes);
  } finally {
    for (const input of inputs.values()) closeSync(input);
    closeSync(output);
  }
}

function writePart(
  output: number,
  inputs: Map<string, number>,
  part: Part,
  onBytes: (bytes: number) => void,
): void {
  const written = part.targets.map(({ offset }) => offset);
  const append = (target: number, bytes: Uint8Array): void => {
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(output, bytes, done, bytes.length - done, (written[target] ?? 0) + done);
    }
    written[target] = (written[target] ?? 0) + bytes.length;
  };
  for (const source of part.sources) {
    const input = inputs.get(source.file) ?? openSync(source.file, 'r');
    inputs.set(source.file, input);
    const rows = source.shape[0] ?? 0;
    const columns = source.shape[1] ?? 1;
    const rowBytes = columns * bytesPerElement[source.dtype];
    const batch = Math.max(1, Math.floor(batchBytes / rowBytes));
    for (let row = 0; row < rows; row += batch) {
      const count = Math.min(batch, rows - row);
      const weights = readRows(input, source, row, count);
      for (const [target, bytes] of encoded(part, weights, columns).entries()) append(target, bytes);
      onBytes(count * rowBytes);
    }
  }
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** In the order of the part's targets. */
function encoded(part: Part, weights: Float32Array, columns: number): Uint8Array[] {
  if (!part.format) return [bytesOf(weights)];
  const { values, scales } = quantizeRows(weights, columns, part.format);
  return [values, bytesOf(scales)];
}
