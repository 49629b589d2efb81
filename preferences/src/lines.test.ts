import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Corpus, collect } from './fixture/index.ts';
import { readLines } from './lines.ts';

it('lines end at line feeds only, and know where they end, also over the blocks a file is read in', async () => {
  using corpus = new Corpus();
  const path = join(corpus.folder, 'lines');
  const lines = ['a', '', '\u00e9\u2028x'.repeat(70_000), 'b\rc', 'torn'];
  writeFileSync(path, lines.join('\n'));
  const read = await collect(readLines(path));
  expect(read.map(({ bytes, whole }) => [bytes.toString(), whole])).toEqual(
    lines.map((line, n) => [line, n < lines.length - 1]),
  );
  const ends = lines.map((_, n) => Buffer.byteLength(lines.slice(0, n + 1).join('\n')) + 1);
  expect(read.map(({ end }) => end)).toEqual([...ends.slice(0, -1), (ends.at(-1) ?? 0) - 1]);
});
