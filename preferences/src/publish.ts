/** Publishes files whole or not at all: written beside, fsynced, renamed. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type GenerateResult, generateResult, type PreferenceRow } from '@longpo/api';
import * as z from 'zod';

export const rowsFile = 'rows.jsonl';
export const reportFile = 'report.json';

const report = z.object({ settings: z.string(), result: generateResult });

async function writeWhole(path: string, lines: Iterable<string>): Promise<void> {
  const temporary = `${path}.tmp`;
  await using file = await open(temporary, 'w');
  for (const line of lines) await file.writeFile(line);
  await file.sync();
  await rename(temporary, path);
  await using folder = await open(dirname(path), 'r');
  await folder.sync();
}

/** Line by line: a file of long documents is larger than a string may be. */
export async function publishRows(folder: string, rows: readonly PreferenceRow[]): Promise<string> {
  const hash = createHash('sha256');
  function* lines(): Generator<string> {
    for (const row of rows) {
      const line = `${JSON.stringify(row)}\n`;
      hash.update(line);
      yield line;
    }
  }
  await writeWhole(join(folder, rowsFile), lines());
  return `sha256:${hash.digest('hex')}`;
}

/** Counts beside the rows, for people and for the next run. */
export async function publishReport(
  folder: string,
  settings: string,
  result: GenerateResult,
  counts: object,
): Promise<void> {
  const content = JSON.stringify({ settings, result, ...counts }, null, 2);
  await writeWhole(join(folder, reportFile), [`${content}\n`]);
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path) as AsyncIterable<Buffer>) hash.update(bytes);
  return `sha256:${hash.digest('hex')}`;
}

/** The result of an earlier run with the same settings, if its rows are still what it wrote. */
export async function publishedResult(folder: string, settings: string): Promise<GenerateResult | undefined> {
  try {
    const { settings: earlier, result } = report.parse(
      JSON.parse(await readFile(join(folder, reportFile), 'utf8')),
    );
    if (earlier !== settings) return undefined;
    const path = join(folder, rowsFile);
    return result.digest === (await digestOfFile(path)) ? { ...result, path } : undefined;
  } catch {
    return undefined; // nothing there, or half of it: make it again
  }
}
