import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDocuments, summarizeDocuments } from './documents.ts';
import { Corpus, collect } from './fixture/index.ts';

describe('documents', () => {
  it('are read from all folders below, in the order of their paths', async () => {
    using corpus = new Corpus({
      'b.md': '# B',
      'a/z.txt': 'Z',
      'a/lines.jsonl': '{"text": "one", "id": 7}\n\n"two\u2028still two"\n',
      'a.txt': 'A',
      'picture.png': 'no text',
      'empty.txt': ' \n',
    });
    expect(await collect(readDocuments(corpus.documents))).toEqual([
      { source: 'a.txt', text: 'A' },
      { source: 'a/lines.jsonl:1', text: 'one' },
      { source: 'a/lines.jsonl:3', text: 'two\u2028still two' },
      { source: 'a/z.txt', text: 'Z' },
      { source: 'b.md', text: '# B' },
    ]);
  });

  it('are found once where a ConfigMap is mounted', async () => {
    using corpus = new Corpus({ '..2026/a.txt': 'A' });
    symlinkSync('..2026', join(corpus.documents, '..data'));
    symlinkSync('..data/a.txt', join(corpus.documents, 'a.txt'));
    expect(await collect(readDocuments(corpus.documents))).toEqual([{ source: 'a.txt', text: 'A' }]);
  });

  it('have a digest that follows their text and their names', async () => {
    using corpus = new Corpus({ 'a.txt': 'A', 'b.txt': 'B' });
    const digests = [await summarizeDocuments(corpus.documents)];
    corpus.write('b.txt', 'C');
    digests.push(await summarizeDocuments(corpus.documents));
    corpus.write('c.txt', 'C');
    digests.push(await summarizeDocuments(corpus.documents));
    expect(digests.map(({ count }) => count)).toEqual([2, 2, 3]);
    expect(new Set(digests.map(({ digest }) => digest)).size).toBe(3);
  });

  it('must be there', async () => {
    using corpus = new Corpus({ 'notes.pdf': 'no text' });
    await expect(summarizeDocuments(corpus.documents)).rejects.toMatchObject({
      code: 'DOCUMENTS_EMPTY',
      exitCode: 2,
      message: `documents: ${corpus.documents} has no text: put .txt, .md or .jsonl files there`,
    });
    await expect(summarizeDocuments(`${corpus.documents}/no`)).rejects.toMatchObject({
      code: 'DOCUMENTS_NOT_FOUND',
      exitCode: 2,
    });
  });

  it.each([
    ['{"text": "one"', 'lines.jsonl:2 is not JSON'],
    ['{"title": "one"}', 'lines.jsonl:2: expected a JSON string, or an object with a string "text"'],
    ['7', 'lines.jsonl:2: expected a JSON string, or an object with a string "text"'],
    ['null', 'lines.jsonl:2: expected a JSON string, or an object with a string "text"'],
  ])('name the file and the line of %s', async (line, message) => {
    using corpus = new Corpus({ 'lines.jsonl': `"fine"\n${line}\n"fine"` });
    await expect(summarizeDocuments(corpus.documents)).rejects.toMatchObject({
      code: 'DOCUMENT_INVALID',
      exitCode: 2,
      message: expect.stringContaining(message),
    });
  });

  it('must be UTF-8', async () => {
    using corpus = new Corpus();
    corpus.write('latin.txt', Uint8Array.of(0x63, 0x61, 0x66, 0xe9));
    await expect(summarizeDocuments(corpus.documents)).rejects.toMatchObject({
      code: 'DOCUMENT_INVALID',
      message: 'latin.txt is not UTF-8 text: convert it, or take it away',
    });
  });
});
