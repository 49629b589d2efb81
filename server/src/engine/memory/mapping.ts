/** Memory straight from the kernel: reserved whole, present only where touched, given back by the page. */
import { koffi } from '../foreign.ts';

const protNone = 0;
const protReadWrite = 0x3;
const mapShared = 0x1;
const mapPrivate = 0x2;
const mapFixed = 0x10;
const mapAnonymous = 0x20;
const mapNoReserve = 0x4000;
const madviseDontNeed = 4;
const madviseRemove = 9;
const madviseHugePage = 14;
const madviseNoHugePage = 15;
const mapFailed = -1n;

export const pageBytes = 4096;
/** Of x86-64, and of arm64 with pages of 4 KiB. */
export const hugePageBytes = 1 << 21;

interface Libc {
  mmap(
    address: bigint,
    length: number,
    protection: number,
    flags: number,
    file: number,
    offset: number,
  ): bigint;
  munmap(address: bigint, length: number): number;
  madvise(address: bigint, length: number, advice: number): number;
  memfd_create(name: string, flags: number): number;
  ftruncate(file: number, length: number): number;
  close(file: number): number;
}

let loaded: Libc | undefined;

function libc(): Libc {
  if (loaded) return loaded;
  if (process.platform !== 'linux') throw new Error(`the engine runs on Linux, this is ${process.platform}`);
  const library = koffi.load('libc.so.6');
  loaded = {
    mmap: library.func(
      'intptr_t mmap(intptr_t address, size_t length, int protection, int flags, int file, int64_t offset)',
    ),
    munmap: library.func('int munmap(intptr_t address, size_t length)'),
    madvise: library.func('int madvise(intptr_t address, size_t length, int advice)'),
    memfd_create: library.func('int memfd_create(const char *name, unsigned int flags)'),
    ftruncate: library.func('int ftruncate(int file, int64_t length)'),
    close: library.func('int close(int file)'),
  };
  return loaded;
}

interface Placing {
  readonly address?: bigint;
  readonly protection?: number;
  readonly flags: number;
  readonly file?: number;
  readonly offset?: number;
}

function map(length: number, placing: Placing): bigint {
  const { address = 0n, protection = protReadWrite, flags, file = -1, offset = 0 } = placing;
  const placed = BigInt(libc().mmap(address, length, protection, flags | mapNoReserve, file, offset));
  if (placed === mapFailed) throw new Error(`mmap of ${length} bytes failed: errno ${koffi.errno()}`);
  return placed;
}

/** A mapping of the process. Views and addresses are dead after `unmap`; whoever holds it must outlive their use. */
export class Mapping {
  /** At a huge page's border if one fits. */
  readonly address: bigint;
  readonly length: number;
  readonly #reserved: Range;
  /** Of the kernel; -1 is none. It lets the same pages appear at several addresses. */
  readonly #file: number;
  readonly #windows = new Set<Range>();
  #mapped = true;

  constructor(length: number, kind: 'private' | 'repeatable' = 'private') {
    this.length = Math.ceil(length / pageBytes) * pageBytes;
    this.#file = kind === 'private' ? -1 : memoryFile(this.length);
    try {
      this.#reserved =
        kind === 'private'
          ? reserve(this.length)
          : { address: map(this.length, { flags: mapShared, file: this.#file }), length: this.length };
    } catch (error) {
      if (this.#file >= 0) libc().close(this.#file);
      throw error;
    }
    const { address, length: reserved } = this.#reserved;
    this.address = reserved === this.length ? address : atHugePage(address);
  }

  view(offset: number, length: number): ArrayBuffer {
    if (!this.#mapped || offset < 0 || offset + length > this.length)
      throw new RangeError('view outside the mapping');
    return koffi.view(this.address + BigInt(offset), length);
  }

  /** The address of a range of whole pages, so many times over, one behind the other; for a repeatable mapping. */
  repeat(offset: number, length: number, times: number): bigint {
    const address = map(length * times, { flags: mapPrivate | mapAnonymous, protection: protNone });
    this.#windows.add({ address, length: length * times });
    for (let i = 0; i < times; i++) {
      const at = address + BigInt(i * length);
      map(length, { address: at, flags: mapShared | mapFixed, file: this.#file, offset });
    }
    return address;
  }

  /**
   * The range will be written to its end: where the kernel can, it gives the whole huge pages inside at once. Reading
   * them takes fewer look-ups of addresses. Pages that are there already stay as they are.
   */
  expect(offset: number, length: number): void {
    if (this.#file < 0) this.#advise(offset, length, hugePageBytes, madviseHugePage);
  }

  /** As before `expect`: a touch gives a page. A kernel without huge pages refuses both, and may. */
  expectNothing(offset: number, length: number): void {
    if (this.#file < 0) this.#advise(offset, length, pageBytes, madviseNoHugePage);
  }

  /** Gives the whole pages inside the range back; they read as zeros when touched again. */
  release(offset: number, length: number): void {
    const advice = this.#file < 0 ? madviseDontNeed : madviseRemove;
    const failed = this.#advise(offset, length, pageBytes, advice);
    if (failed) throw new Error(`madvise failed: errno ${koffi.errno()}`);
  }

  /** For the whole pages of that size inside the range; 0 is success. */
  #advise(offset: number, length: number, unit: number, advice: number): number {
    const from = Math.ceil(offset / unit) * unit;
    const to = Math.floor((offset + length) / unit) * unit;
    if (!this.#mapped || to <= from) return 0;
    return libc().madvise(this.address + BigInt(from), to - from, advice);
  }

  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    for (const { address, length } of this.#windows) libc().munmap(address, length);
    libc().munmap(this.#reserved.address, this.#reserved.length);
    if (this.#file >= 0) libc().close(this.#file);
  }
}

interface Range {
  readonly address: bigint;
  readonly length: number;
}

/** Anonymous memory, with room to start at a huge page's border if it is long enough for one. */
function reserve(length: number): Range {
  const reserved = length < hugePageBytes ? length : length + hugePageBytes;
  return { address: map(reserved, { flags: mapPrivate | mapAnonymous }), length: reserved };
}

function atHugePage(address: bigint): bigint {
  const border = BigInt(hugePageBytes);
  return ((address + border - 1n) / border) * border;
}

function memoryFile(length: number): number {
  const file = libc().memfd_create('longpo-kv', 0);
  if (file < 0 || libc().ftruncate(file, length) !== 0) {
    const error = new Error(`a memory file of ${length} bytes failed: errno ${koffi.errno()}`);
    if (file >= 0) libc().close(file);
    throw error;
  }
  return file;
}
