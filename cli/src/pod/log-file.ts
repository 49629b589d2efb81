/** Reads the end of a log file that may be growing. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** At most `bytes` from the end, and nothing from before `from`; empty when there is no such file. */
export function tailOf(file: string, bytes: number, from = 0): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(descriptor);
    const start = Math.max(from, size - bytes);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    const length = readSync(descriptor, buffer, 0, buffer.length, start);
    return buffer.subarray(0, length).toString();
  } finally {
    closeSync(descriptor);
  }
}
