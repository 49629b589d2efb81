/** Header of a safetensors file: eight bytes of length, JSON, then the tensors back to back. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { UserError } from '../errors.ts';

const lengthBytes = 8;

interface TensorEntry {
  shape: number[];
  data_offsets: [number, number];
}

function readText(handle: number, size: number): string {
  const prefix = Buffer.alloc(lengthBytes);
  readSync(handle, prefix, 0, lengthBytes, 0);
  const length = Number(prefix.readBigUInt64LE());
  if (length === 0 || lengthBytes + length > size) return '';
  const text = Buffer.alloc(length);
  readSync(handle, text, 0, length, lengthBytes);
  return text.toString();
}

function parse(text: string): Record<string, TensorEntry> | undefined {
  try {
    const { __metadata__, ...tensors } = JSON.parse(text) as Record<string, TensorEntry>;
    return tensors;
  } catch {
    return undefined;
  }
}

/** Shapes by tensor name. The file must be as long as its header says: a broken download is found here. */
export function readTensorShapes(file: string): Map<string, number[]> {
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    const text = readText(handle, size);
    const tensors = parse(text);
    if (tensors === undefined)
      throw new UserError(
        'MODEL_TRUNCATED',
        `${file}: its safetensors header cannot be read: download the file again`,
      );
    const dataEnd = Math.max(0, ...Object.values(tensors).map(({ data_offsets }) => data_offsets[1]));
    const expected = lengthBytes + Buffer.byteLength(text) + dataEnd;
    if (size !== expected)
      throw new UserError(
        'MODEL_TRUNCATED',
        `${file} has ${size} bytes, its header describes ${expected}: download the file again`,
      );
    return new Map(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  } finally {
    closeSync(handle);
  }
}
