/**
 * Finished items, one JSON line each, on the disk before the next is counted. The first line names the settings that
 * made them: items of other settings are moved aside. A torn last line is what a killed writer leaves; it is cut.
 */
import { type FileHandle, mkdir, open, readFile, rename, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Item, item } from './items.ts';

export class ItemLog {
  readonly done: Map<string, Item>;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, done: Map<string, Item>) {
    this.#file = file;
    this.done = done;
  }

  static async open(path: string, settings: string): Promise<ItemLog> {
    await mkdir(dirname(path), { recursive: true });
    const done = await readItems(path, settings);
    const file = await open(path, 'a');
    const log = new ItemLog(file, done);
    if ((await file.stat()).size === 0) await log.#append({ settings });
    return log;
  }

  async add(finished: Item): Promise<void> {
    await this.#append(finished);
    this.done.set(finished.id, finished);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #append(line: object): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(line)}\n`);
    await this.#file.datasync();
  }
}

async function readItems(path: string, settings: string): Promise<Map<string, Item>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (text === '') return new Map();
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const [first = '', ...lines] = whole.split('\n').filter((line) => line !== '');
  if (first === '' || (JSON.parse(first) as { settings?: string }).settings !== settings) {
    await rename(path, `${path}.${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
    return new Map();
  }
  if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
  return new Map(lines.map((line) => item.parse(JSON.parse(line))).map((entry) => [entry.id, entry]));
}
