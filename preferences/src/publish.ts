/** Publishes files whole or not at all: written beside, fsynced, renamed. */
import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type GenerateResult, generateResult, type PreferenceRow } from '@longpo/api';
import * as z from 'zod';

export const rowsFile = 'rows.jsonl';
export const reportFile = 'report.json';

const report = z.object({ settings: z.string(), result: generateResult });

async function writeWhole(path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w');
  await file.writeFile(content);
  await file.sync();
  await file.close();
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
}

export const digestOf = (content: string): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

export async function publishRows(folder: string, rows: PreferenceRow[]): Promise<string> {
  const content = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await writeWhole(join(folder, rowsFile), content);
  return digestOf(content);
}

/** Counts beside the rows, for people and for the next run. */
export function publishReport(
  folder: string,
  settings: string,
  result: GenerateResult,
  counts: object,
): Promise<void> {
  return writeWhole(
    join(folder, reportFile),
    `${JSON.stringify({ settings, result, ...counts }, null, 2)}\n`,
  );
}

/** The result of an earlier run with the same settings, if its rows are still what it wrote. */
export async function publishedResult(folder: string, settings: string): Promise<GenerateResult | undefined> {
  try {
    const parsed = report.parse(JSON.parse(await readFile(join(folder, reportFile), 'utf8')));
    const content = await readFile(join(folder, rowsFile), 'utf8');
    return parsed.settings === settings && parsed.result.digest === digestOf(content)
      ? parsed.result
      : undefined;
  } catch {
    return undefined; // nothing there, or half of it: make it again
  }
}
