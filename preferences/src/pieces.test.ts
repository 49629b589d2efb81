import { describe, expect, it } from 'vitest';
import type { Document } from './documents.ts';
import { Corpus, documentText, paragraph, wordCounter } from './fixture/index.ts';
import { planPieces } from './pieces.ts';

const never = new AbortController().signal;

async function plan(texts: Record<string, string>, overrides: object = {}) {
  async function* documents(): AsyncGenerator<Document> {
    for (const [source, text] of Object.entries(texts)) yield { source, text };
  }
  using corpus = new Corpus();
  const { pieces, drops } = await planPieces(documents(), corpus.config(overrides), wordCounter, never);
  return { pieces, dropped: drops.counts() };
}

describe('pieces', () => {
  it('are the whole document when it fills its budget exactly', async () => {
    const { pieces, dropped } = await plan({ 'a.txt': documentText('a') });
    expect(pieces.map(({ source, text }) => ({ source, text }))).toEqual([
      { source: 'a.txt', text: documentText('a') },
    ]);
    expect(dropped).toEqual({});
  });

  it('are cut at a paragraph when a document has one word more, and counted when too short', async () => {
    const { pieces, dropped } = await plan({ 'a.txt': `${documentText('a')} more` });
    expect(pieces.map(({ text }) => text)).toEqual([
      documentText('a').split('\n\n').slice(0, 3).join('\n\n'),
    ]);
    expect(dropped).toEqual({ document_too_short: 1 });
  });

  it('are kept from minDocumentTokens on; 0 means half of the context', async () => {
    const texts = { 'a.txt': paragraph('a', 50), 'b.txt': paragraph('b', 49) };
    const config = { chunkTokens: { min: 5, max: 10 }, chunksPerDocument: 1, contextLength: 100 + 184 };
    const explicit = await plan(texts, { ...config, minDocumentTokens: 50 });
    expect([explicit.pieces.map(({ source }) => source), explicit.dropped]).toEqual([
      ['a.txt'],
      { document_too_short: 1 },
    ]);
    const half = { ...config, contextLength: 500, question: { maxTokens: 10 }, minDocumentTokens: 0 };
    const documents = { 'a.txt': paragraph('a', 250), 'b.txt': paragraph('b', 249) };
    expect((await plan(documents, half)).pieces.map(({ source }) => source)).toEqual(['a.txt']);
  });

  it('have ids that name the document, the place and the text', async () => {
    const { pieces } = await plan({ 'x/a.txt': `${documentText('a')}\n\n${documentText('b')}` });
    expect(pieces.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^x\/a\.txt#0-[0-9a-f]{8}$/),
      expect.stringMatching(/^x\/a\.txt#1-[0-9a-f]{8}$/),
    ]);
  });

  it('are at most maxDocuments, chosen by the seed and in their order', async () => {
    const texts = Object.fromEntries([...'abcdefghijkl'].map((name) => [name, documentText(name)]));
    const sources = async (seed: number) =>
      (await plan(texts, { maxDocuments: 3, seed })).pieces.map(({ source }) => source);
    const chosen = await sources(1);
    expect(chosen).toEqual(chosen.toSorted());
    expect([chosen.length, await sources(1)]).toEqual([3, chosen]);
    expect(await sources(2)).not.toEqual(chosen);
  });

  it('stop being planned when told to', async () => {
    async function* documents(): AsyncGenerator<Document> {
      for (;;) yield { source: 'a', text: 'a' };
    }
    using corpus = new Corpus();
    const stopped = AbortSignal.abort(new Error('stopped'));
    await expect(planPieces(documents(), corpus.config(), wordCounter, stopped)).rejects.toThrow('stopped');
  });
});

describe('chunks', () => {
  it('are within their bounds, both included, and found in the document to the letter', async () => {
    const text = ['a', 'b', 'c'].map((name, n) => paragraph(name, [20, 30, 19][n] ?? 0)).join('\n \n\n');
    const { pieces, dropped } = await plan({ 'a.txt': text });
    expect(pieces.map(({ chunks }) => chunks)).toEqual([[paragraph('a', 20), paragraph('b', 30)]]);
    expect(dropped).toEqual({ chunk_too_short: 1 });
  });

  it('are substrings of their document, whatever stands between paragraphs', async () => {
    const text = `Intro.\t\n\n\n${documentText('a').replaceAll('\n\n', '\r\n \r\n')}`;
    const { pieces } = await plan(
      { 'a.txt': text },
      { contextLength: 800, chunkTokens: { min: 1, max: 60 } },
    );
    const [piece] = pieces;
    expect(piece?.chunks.length).toBeGreaterThan(1);
    expect(piece?.chunks.filter((chunk) => !text.includes(chunk))).toEqual([]);
  });

  it('are chosen by the seed, chunksPerDocument of them, in document order', async () => {
    const chunksOf = async (seed: number) =>
      (await plan({ a: documentText('a') }, { chunksPerDocument: 2, contextLength: 404, seed })).pieces[0]
        ?.chunks;
    const all = documentText('a').split('\n\n');
    const seen = await Promise.all([1, 2, 3, 4, 5, 6].map(chunksOf));
    for (const chunks of seen) {
      expect(chunks?.length).toBe(2);
      expect(chunks).toEqual(all.filter((chunk) => chunks?.includes(chunk)));
    }
    expect(new Set(seen.map((chunks) => chunks?.join())).size).toBeGreaterThan(1);
    expect(await chunksOf(3)).toEqual(seen[2]);
  });

  it('are not the whole document: nothing would be short about them', async () => {
    const { pieces, dropped } = await plan({ a: paragraph('a', 40) }, { chunkTokens: { min: 20, max: 40 } });
    expect({ pieces, dropped }).toEqual({ pieces: [], dropped: { chunk_is_document: 1 } });
  });
});
