/** The body of a watch: one JSON object a line, for as long as the connection lives. */
import { ConnectionError } from './api-error.ts';

export interface WatchLine {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: unknown;
}

/** Twice etcd's limit for one object is far above anything a server sends, and keeps a broken one from filling us. */
export const maxLineBytes = 4 * 1024 * 1024;

const newline = 0x0a;

/** Ends when the body ends after a whole line; half a line, text that is no JSON or an endless line are errors. */
export async function* watchLines(
  body: AsyncIterable<Buffer>,
  maxBytes = maxLineBytes,
): AsyncGenerator<WatchLine> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer) => {
    if (part.length === 0) return;
    parts.push(part);
    bytes += part.length;
    if (bytes > maxBytes) throw new ConnectionError(`a line of the watch has more than ${maxBytes} bytes`);
  };
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      keep(chunk.subarray(start, end));
      const line = Buffer.concat(parts, bytes).toString('utf8');
      parts = [];
      bytes = 0;
      start = end + 1;
      if (line.trim() !== '') yield parseLine(line);
    }
    keep(chunk.subarray(start));
  }
  if (bytes > 0) throw new ConnectionError('the watch ended within a line');
}

function parseLine(line: string): WatchLine {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new ConnectionError('a line of the watch is not JSON', { cause });
  }
  if (typeof (parsed as WatchLine | null)?.type !== 'string')
    throw new ConnectionError('a line of the watch has no type');
  return parsed as WatchLine;
}
