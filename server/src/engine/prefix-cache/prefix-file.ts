/**
 * One prefix on disk: a magic word, the number of tokens, their ids, the memory of their keys and values, and the
 * SHA-256 of all that. Written under another name first, so a file that has the name is whole.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { pieces } from '../memory/pieces.ts';

const magic = Buffer.from('LongPOkv');
const idBytes = Int32Array.BYTES_PER_ELEMENT;
const checksumBytes = 32;
/** The tokens are somebody's document. */
const ownerOnly = 0o600;

export interface StoredPrefix {
  readonly ids: readonly number[];
  readonly memory: readonly Uint8Array[];
}

/** Reads and writes at the end of what it has done so far, and sums over it. */
class SummedFile {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #position = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (const part of pieces(bytes)) {
      this.#hash.update(part);
      await this.#writeAll(part);
      signal?.throwIfAborted();
    }
  }

  /** Fills the bytes; false at the end of the file. */
  async read(bytes: Uint8Array): Promise<boolean> {
    for (const part of pieces(bytes)) {
      const { bytesRead } = await this.#file.read(part, 0, part.length, this.#position);
      if (bytesRead < part.length) return false;
      this.#hash.update(part);
      this.#position += part.length;
    }
    return true;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const { bytesWritten } = await this.#file.write(rest, 0, rest.length, this.#position);
      this.#position += bytesWritten;
      rest = rest.subarray(bytesWritten);
    }
  }

  /** Of all so far, behind it. */
  writeChecksum(): Promise<void> {
    return this.#writeAll(this.#hash.digest());
  }

  /** Whether the checksum of all so far is what stands behind it. */
  async checksumHolds(): Promise<boolean> {
    const stored = new Uint8Array(checksumBytes);
    const { bytesRead } = await this.#file.read(stored, 0, checksumBytes, this.#position);
    return bytesRead === checksumBytes && this.#hash.digest().equals(stored);
  }
}

/** Named by its tokens, so that one which stands there need not be written again. */
export const prefixName = (ids: readonly number[]): string =>
  `${createHash('sha256').update(Int32Array.from(ids)).digest('hex')}.kv`;

export const isWhole = (name: string): boolean => name.endsWith('.kv');

/** What is being written, or was when the writer was killed. */
export const isUnfinished = (name: string): boolean => name.includes('.kv.tmp-');

/** `memory` is what the tokens take of keys and values; it may change once the signal is given, and then nothing is kept. */
export async function writePrefix(
  path: string,
  { ids, memory }: StoredPrefix,
  signal?: AbortSignal,
): Promise<void> {
  const temporary = `${path}.tmp-${randomUUID()}`;
  try {
    const file = await open(temporary, 'w', ownerOnly);
    try {
      const summed = new SummedFile(file);
      await summed.write(magic);
      await summed.write(new Uint8Array(Int32Array.of(ids.length).buffer));
      await summed.write(new Uint8Array(Int32Array.from(ids).buffer));
      for (const bytes of memory) await summed.write(bytes, signal);
      await summed.writeChecksum();
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A prefix file that is open; its tokens are known, its memory not yet read. */
export class PrefixFile {
  readonly ids: readonly number[];
  readonly #file: FileHandle;
  readonly #summed: SummedFile;

  private constructor(file: FileHandle, summed: SummedFile, ids: readonly number[]) {
    this.#file = file;
    this.#summed = summed;
    this.ids = ids;
  }

  /** undefined if the file is not one. */
  static async open(path: string): Promise<PrefixFile | undefined> {
    const { size } = await stat(path);
    const file = await open(path);
    const summed = new SummedFile(file);
    const start = new Uint8Array(magic.length + idBytes);
    if ((await summed.read(start)) && magic.equals(start.subarray(0, magic.length))) {
      const count = Buffer.from(start).readInt32LE(magic.length);
      const ids = new Int32Array(count >= 0 && count * idBytes < size ? count : 0);
      if (ids.length > 0 && (await summed.read(new Uint8Array(ids.buffer))))
        return new PrefixFile(file, summed, [...ids]);
    }
    await file.close();
    return undefined;
  }

  /** Fills the memory; false if the file is not what was written, and then the memory holds nothing of use. */
  async readInto(memory: readonly Uint8Array[]): Promise<boolean> {
    for (const bytes of memory) if (!(await this.#summed.read(bytes))) return false;
    return this.#summed.checksumHolds();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
