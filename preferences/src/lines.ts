/** Lines of a file as bytes, one at a time, however large the file is: only a line feed ends one. */
import { createReadStream } from 'node:fs';

export interface Line {
  bytes: Buffer;
  /** Offset behind its line feed. */
  end: number;
  /** False for a last line that no line feed ends. */
  whole: boolean;
}

const lineFeed = 0x0a;

export async function* readLines(path: string): AsyncGenerator<Line> {
  let rest: Buffer[] = [];
  let end = 0;
  for await (const read of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = read.indexOf(lineFeed); at >= 0; at = read.indexOf(lineFeed, from)) {
      const bytes = Buffer.concat([...rest, read.subarray(from, at)]);
      rest = [];
      from = at + 1;
      end += bytes.length + 1;
      yield { bytes, end, whole: true };
    }
    if (from < read.length) rest.push(read.subarray(from));
  }
  const bytes = Buffer.concat(rest);
  if (bytes.length > 0) yield { bytes, end: end + bytes.length, whole: false };
}
