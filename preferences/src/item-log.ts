/**
 * Finished items, one JSON line each, on the disk before the next is counted. The first line names the settings that
 * made them: items of other settings are moved aside. A torn last line is what a killed writer leaves; it is cut.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { type Item, item } from './items.ts';
import { readLines } from './lines.ts';

const header = z.strictObject({ settings: z.string() });

export class ItemLog {
  readonly #done: Map<string, Item>;
  readonly #file: FileHandle;
  /** Lines are written one after the other, whoever finishes first. */
  #written: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, done: Map<string, Item>) {
    this.#file = file;
    this.#done = done;
  }

  static async open(path: string, settings: string): Promise<ItemLog> {
    await mkdir(dirname(path), { recursive: true });
    const done = await readItems(path, settings);
    const file = await open(path, 'a');
    const log = new ItemLog(file, done);
    if ((await file.stat()).size === 0) await log.#append({ settings });
    return log;
  }

  get done(): ReadonlyMap<string, Item> {
    return this.#done;
  }

  async add(finished: Item): Promise<void> {
    await this.#append(finished);
    this.#done.set(finished.id, finished);
  }

  async close(): Promise<void> {
    await this.#written.catch(() => undefined); // its writer has the error
    await this.#file.close();
  }

  #append(line: object): Promise<void> {
    this.#written = this.#written.then(async () => {
      await this.#file.appendFile(`${JSON.stringify(line)}\n`);
      await this.#file.sync();
    });
    return this.#written;
  }
}

function parse<T>(schema: z.ZodType<T>, bytes: Buffer): T | undefined {
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}

interface Kept {
  done: Map<string, Item>;
  /** Where the lines that count end; 0 when the file is of other settings. */
  end: number;
}

/** Items up to the first line that is not one: what a crash left behind it was never counted. */
async function keptLines(path: string, settings: string): Promise<Kept> {
  const kept: Kept = { done: new Map(), end: 0 };
  for await (const { bytes, end, whole } of readLines(path)) {
    if (!whole) break;
    if (kept.end === 0) {
      if (parse(header, bytes)?.settings !== settings) break;
    } else {
      const entry = parse(item, bytes);
      if (entry === undefined) break;
      kept.done.set(entry.id, entry);
    }
    kept.end = end;
  }
  return kept;
}

async function readItems(path: string, settings: string): Promise<Map<string, Item>> {
  if (!existsSync(path)) return new Map();
  const { done, end } = await keptLines(path, settings);
  if (end > 0) await truncate(path, end);
  else await rename(path, `${path}.${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  return done;
}
