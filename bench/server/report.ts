/** What a comparison prints: a heading, a table, and how busy the machine was. */
import { loadavg } from 'node:os';
import { table } from '../../cli/src/live/table.ts';

export function print(title: string, heads: string[], rows: string[][]): void {
  const load = loadavg().map((value) => value.toFixed(1));
  const when = `${new Date().toISOString()}, load of the last 1, 5, 15 minutes ${load.join(', ')}`;
  process.stdout.write(`\n${title}\n${table(heads, rows)}\n${when}\n`);
}

export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
