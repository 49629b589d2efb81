/** The prefixes of one model's slots between two lives of the engine: a folder for each origin, a file for each slot. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PrefixFile, writePrefix } from './prefix-file.ts';

/** Fewer tokens are read again sooner than from a disk. */
const minTokens = 64;
/** Numbered by last use: 0 is the latest. */
const fileName = /^(\d+)\.kv$/;

export interface StoredPrefix {
  readonly ids: readonly number[];
  readonly memory: readonly Uint8Array[];
}

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

  /** The latest first, as many as find a place. A file that is damaged is removed. */
  async load(slots: PrefixSlots): Promise<void> {
    for (const name of await this.#names()) {
      const path = join(this.#folder, name);
      try {
        if (await loadFile(path, slots)) continue;
        this.#warn(`${path}: not the prefix that was written; it is removed`);
        await rm(path, { force: true });
      } catch (error) {
        this.#warn(`${path}: the prefix cannot be read: ${String(error)}`);
      }
    }
    await this.#measure();
  }

  /** Replaces what is there. A prefix that cannot be written costs only itself. */
  async save(prefixes: readonly StoredPrefix[]): Promise<void> {
    const long = prefixes.filter(({ ids }) => ids.length >= minTokens);
    const written = new Set<string>();
    for (const [i, { ids, memory }] of long.entries()) {
      const name = `${i}.kv`;
      try {
        await mkdir(this.#folder, { recursive: true });
        await writePrefix(join(this.#folder, name), ids, memory);
        written.add(name);
      } catch (error) {
        this.#warn(`${join(this.#folder, name)}: the prefix cannot be written: ${String(error)}`);
      }
    }
    for (const name of await this.#names()) {
      if (!written.has(name)) await rm(join(this.#folder, name), { force: true });
    }
    await this.#measure();
  }

  async #measure(): Promise<void> {
    // Another server may have removed one meanwhile.
    const sizes = (await this.#names()).map((name) =>
      stat(join(this.#folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
    this.#bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const order = (name: string): number => Number(fileName.exec(name)?.[1]);
    return names.filter((name) => fileName.test(name)).toSorted((a, b) => order(a) - order(b));
  }
}

/** false if the file is damaged. One that finds no place is left for another time. */
async function loadFile(path: string, slots: PrefixSlots): Promise<boolean> {
  const file = await PrefixFile.open(path);
  if (!file) return false;
  try {
    const slot = slots.place(file.ids);
    if (slot === undefined) return true;
    const whole = await file.readInto(slots.memory(slot, file.ids.length));
    if (!whole) slots.discard(slot);
    return whole;
  } finally {
    await file.close();
  }
}
