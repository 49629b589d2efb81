/** Anonymous memory straight from the kernel: reserved whole, present only where touched, given back by the page. */
import { koffi } from '../foreign.ts';

const protReadWrite = 0x3;
const mapPrivate = 0x2;
const mapAnonymous = 0x20;
const mapNoReserve = 0x4000;
const madviseDontNeed = 4;
const mapFailed = -1n;

export const pageBytes = 4096;

interface Libc {
  mmap(
    address: null,
    length: number,
    protection: number,
    flags: number,
    file: number,
    offset: number,
  ): bigint;
  munmap(address: bigint, length: number): number;
  madvise(address: bigint, length: number, advice: number): number;
}

let loaded: Libc | undefined;

function libc(): Libc {
  if (loaded) return loaded;
  if (process.platform !== 'linux') throw new Error(`the engine runs on Linux, this is ${process.platform}`);
  const library = koffi.load('libc.so.6');
  loaded = {
    mmap: library.func(
      'intptr_t mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset)',
    ),
    munmap: library.func('int munmap(intptr_t address, size_t length)'),
    madvise: library.func('int madvise(intptr_t address, size_t length, int advice)'),
  };
  return loaded;
}

/** A mapping of the process. Views and addresses are dead after `unmap`; whoever holds it must outlive their use. */
export class Mapping {
  readonly address: bigint;
  readonly length: number;
  #mapped = true;

  constructor(length: number) {
    this.length = Math.ceil(length / pageBytes) * pageBytes;
    const flags = mapPrivate | mapAnonymous | mapNoReserve;
    this.address = BigInt(libc().mmap(null, this.length, protReadWrite, flags, -1, 0));
    if (this.address === mapFailed)
      throw new Error(`mmap of ${this.length} bytes failed: errno ${koffi.errno()}`);
  }

  view(offset: number, length: number): ArrayBuffer {
    if (!this.#mapped || offset < 0 || offset + length > this.length)
      throw new RangeError('view outside the mapping');
    return koffi.view(this.address + BigInt(offset), length);
  }

  /** Gives the whole pages inside the range back; they read as zeros when touched again. */
  release(offset: number, length: number): void {
    const from = Math.ceil(offset / pageBytes) * pageBytes;
    const to = Math.floor((offset + length) / pageBytes) * pageBytes;
    if (!this.#mapped || to <= from) return;
    const failed = libc().madvise(this.address + BigInt(from), to - from, madviseDontNeed);
    if (failed) throw new Error(`madvise failed: errno ${koffi.errno()}`);
  }

  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    libc().munmap(this.address, this.length);
  }
}
