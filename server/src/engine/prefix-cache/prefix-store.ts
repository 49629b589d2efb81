/** The prefixes of one model's slots, from one life of the engine to the next: a folder for each origin, a file for each. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isUnfinished,
  isWhole,
  PrefixFile,
  prefixName,
  type StoredPrefix,
  writePrefix,
} from './prefix-file.ts';

/** Fewer tokens are read again sooner than from a disk. */
const minTokens = 64;
/** A prefix that has grown by less is not written again: the rest is read soon enough. */
const grownShare = 0.1;
/** Nobody is writing a file that has not changed for so long. */
const abandonedMs = 600_000;

/** Where prefixes that are read go. */
export interface PrefixSlots {
  /** A slot for the tokens; undefined if there is none. */
  place(ids: readonly number[]): number | undefined;
  memory(slot: number, tokens: number): readonly Uint8Array[];
  discard(slot: number): void;
}

export class PrefixStore {
  readonly #folder: string;
  readonly #warn: (message: string) => void;
  /** Tokens by file, of those that this store has read or written: others may be another server's. */
  readonly #known = new Map<string, readonly number[]>();
  #bytes = 0;

  /** `origin` names all that keys and values depend on; prefixes of another origin are not seen. */
  constructor(directory: string, origin: string, onWarning: (message: string) => void = () => undefined) {
    this.#folder = join(directory, createHash('sha256').update(origin).digest('hex'));
    this.#warn = onWarning;
  }

  /** Of the files, as of the last load or save. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The latest first, as many as find a place. A file that is damaged is removed, also what a killed server has left. */
  async load(slots: PrefixSlots): Promise<void> {
    const files = await this.#files();
    const abandoned = files.filter(
      ({ name, mtimeMs }) => isUnfinished(name) && Date.now() - mtimeMs > abandonedMs,
    );
    for (const { name } of abandoned) await this.#remove(name);
    for (const { name } of files.filter(({ name }) => isWhole(name))) {
      const path = this.#path(name);
      try {
        const ids = await loadFile(path, slots);
        if (ids) {
          this.#known.set(name, ids);
          continue;
        }
        this.#warn(`${path}: not the prefix that was written; it is removed`);
        await rm(path, { force: true });
      } catch (error) {
        this.#warn(`${path}: the prefix cannot be read: ${String(error)}`);
      }
    }
    await this.#measure();
  }

  /**
   * Takes the place of what was read or saved before. A prefix that cannot be written costs only itself. Their memory may
   * change once the signal is given, which ends the write.
   */
  async save(prefixes: readonly StoredPrefix[], signal?: AbortSignal): Promise<void> {
    const held = new Set<string>();
    const now = Date.now() / 1000;
    for (const [i, prefix] of prefixes.filter(({ ids }) => ids.length >= minTokens).entries()) {
      try {
        // Seconds apart, in the order of last use.
        held.add(await this.#hold(prefix, now - i, signal));
      } catch (error) {
        if (signal?.aborted) return;
        this.#warn(`${this.#path(prefixName(prefix.ids))}: the prefix cannot be written: ${String(error)}`);
      }
    }
    for (const name of [...this.#known.keys()].filter((known) => !held.has(known))) await this.#remove(name);
    await this.#measure();
  }

  /** The name of the file that holds the prefix or nearly all of it; it is written where none stands. */
  async #hold(prefix: StoredPrefix, lastUsed: number, signal: AbortSignal | undefined): Promise<string> {
    const own = prefixName(prefix.ids);
    for (const name of [...this.#nearly(prefix.ids), own]) {
      if (await wasTouched(this.#path(name), lastUsed)) return name;
    }
    await mkdir(this.#folder, { recursive: true });
    signal?.throwIfAborted();
    await writePrefix(this.#path(own), prefix, signal);
    this.#known.set(own, prefix.ids);
    await wasTouched(this.#path(own), lastUsed);
    return own;
  }

  /** Known files that hold the leading tokens, all but a few. */
  #nearly(ids: readonly number[]): string[] {
    const isNearly = (known: readonly number[]): boolean =>
      known.length <= ids.length &&
      known.length >= (1 - grownShare) * ids.length &&
      known.every((id, i) => id === ids[i]);
    return [...this.#known].filter(([, known]) => isNearly(known)).map(([name]) => name);
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #remove(name: string): Promise<void> {
    try {
      await rm(this.#path(name), { force: true });
      this.#known.delete(name);
    } catch (error) {
      this.#warn(`${this.#path(name)}: the prefix cannot be removed: ${String(error)}`);
    }
  }

  async #measure(): Promise<void> {
    this.#bytes = (await this.#files())
      .filter(({ name }) => isWhole(name))
      .reduce((sum, { size }) => sum + size, 0);
  }

  /** The latest first. */
  async #files(): Promise<{ name: string; size: number; mtimeMs: number }[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const found = await Promise.all(
      // Another server may have removed one meanwhile.
      names.map((name) =>
        stat(this.#path(name)).then(
          ({ size, mtimeMs }) => [{ name, size, mtimeMs }],
          () => [],
        ),
      ),
    );
    return found.flat().toSorted((a, b) => b.mtimeMs - a.mtimeMs);
  }
}

/** Marks the file as used last then; false if there is none. */
const wasTouched = (path: string, lastUsed: number): Promise<boolean> =>
  utimes(path, lastUsed, lastUsed).then(
    () => true,
    () => false,
  );

/** The tokens; undefined if the file is damaged. One that finds no place is left for another time. */
async function loadFile(path: string, slots: PrefixSlots): Promise<readonly number[] | undefined> {
  const file = await PrefixFile.open(path);
  if (!file) return undefined;
  try {
    const slot = slots.place(file.ids);
    if (slot === undefined) return file.ids;
    if (await file.readInto(slots.memory(slot, file.ids.length))) return file.ids;
    slots.discard(slot);
    return undefined;
  } finally {
    await file.close();
  }
}
