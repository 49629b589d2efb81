import { appendFileSync, existsSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  asksForQuestions,
  Corpus,
  documentText,
  OpenAIServer,
  readFileOf,
  readRows,
  runGenerate,
  type Speak,
  speak,
} from './fixture/index.ts';

const files = {
  'a.txt': documentText('a'),
  'b.md': documentText('b'),
  'deep/c.jsonl': [documentText('c'), documentText('d')].map((text) => JSON.stringify({ text })).join('\n'),
};

const question = (request: Parameters<Speak>[0], text: string) =>
  asksForQuestions(request) ? { text } : speak(request);

describe('generate', () => {
  it('writes a row with the turns of each document, in document order', async () => {
    using corpus = new Corpus(files);
    await using server = await OpenAIServer.listen();
    const config = corpus.config();
    const result = await runGenerate(config, server);
    expect(result).toEqual({
      path: join(corpus.data, 'rows.jsonl'),
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      rows: 4,
      turns: 16,
      dropped: {},
    });
    const rows = readRows(config);
    expect(rows.map(({ source, document }) => [source, document])).toEqual([
      ['a.txt', documentText('a')],
      ['b.md', documentText('b')],
      ['deep/c.jsonl:1', documentText('c')],
      ['deep/c.jsonl:2', documentText('d')],
    ]);
    for (const { document, turns } of rows) {
      const places = turns.map(({ chunk }) => document.indexOf(chunk));
      expect(places).toEqual(places.filter((place) => place >= 0).toSorted((a, b) => a - b));
    }
  });

  it('asks on the chunk, answers on the chunk and on the document, each with a seed of its own', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a') });
    await using server = await OpenAIServer.listen();
    const config = corpus.config({ chunksPerDocument: 1, answer: { maxTokens: 8, temperature: 0 } });
    await runGenerate(config, server);
    const [row] = readRows(config);
    const turn = row?.turns[0];
    expect(turn).toBeDefined();
    expect(server.prompts()).toEqual([
      expect.stringContaining(`Text:\n\n${turn?.chunk}\n\n`),
      `${turn?.chunk}\n\n${turn?.question}`,
      `${documentText('a')}\n\n${turn?.question}`,
    ]);
    expect(server.requests.map(({ body: { messages: _, seed: _seed, ...body } }) => body)).toEqual([
      { model: 'tiny', max_tokens: 50, temperature: 0.7, top_p: 0.9 },
      { model: 'tiny', max_tokens: 8, temperature: 0, top_p: 1 },
      { model: 'tiny', max_tokens: 8, temperature: 0, top_p: 1 },
    ]);
    expect(new Set(server.requests.map(({ body }) => body.seed)).size).toBe(3);
  });

  it('writes the same file whatever the concurrency, and another one for another seed', async () => {
    using one = new Corpus(files);
    using eight = new Corpus(files);
    using other = new Corpus(files);
    // Answers come out of order: the later a request, the sooner its answer.
    let held: (() => void)[] = [];
    await using server = await OpenAIServer.listen(async (request) => {
      await new Promise<void>((resolve) => {
        held.push(resolve);
        setImmediate(() => {
          for (const release of held.reverse()) release();
          held = [];
        });
      });
      return speak(request);
    });
    await runGenerate(one.config({ concurrency: 1 }), server);
    await runGenerate(eight.config({ concurrency: 8 }), server);
    await runGenerate(other.config({ concurrency: 8, seed: 43 }), server);
    const rows = readFileOf(one.config(), 'rows.jsonl');
    expect(readFileOf(eight.config(), 'rows.jsonl')).toBe(rows);
    expect(readFileOf(other.config(), 'rows.jsonl')).not.toBe(rows);
  });

  it('keeps as many requests in flight as concurrency says', async () => {
    using corpus = new Corpus(files);
    const full = Promise.withResolvers<void>();
    let [inFlight, most] = [0, 0];
    await using server = await OpenAIServer.listen(async (request) => {
      most = Math.max(most, ++inFlight);
      if (inFlight === 3) full.resolve();
      await full.promise; // no answer before there are three
      inFlight--;
      return speak(request);
    });
    await runGenerate(corpus.config({ concurrency: 3 }), server);
    expect(most).toBe(3);
  });

  it('counts what it did beside the rows', async () => {
    using corpus = new Corpus(files);
    await using server = await OpenAIServer.listen((request) => ({ ...speak(request), finish: 'length' }));
    const result = await runGenerate(corpus.config(), server);
    expect(JSON.parse(readFileOf(corpus.config(), 'report.json'))).toEqual({
      settings: expect.stringMatching(/^[0-9a-f]{64}$/),
      result,
      documents: 4,
      pieces: 4,
      chunks: 16,
      items: 16,
      yield: 1,
      tokens: 4800,
      truncatedAnswers: 32,
      answerWords: { chosen: 9, rejected: 9 },
      seconds: expect.any(Number),
    });
  });

  it('shows each item as it is done, with the drops so far', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a'), 'short.txt': 'too short' });
    await using server = await OpenAIServer.listen((request) => question(request, 'I would rather not.'));
    const seen: unknown[] = [];
    const run = runGenerate(
      corpus.config({ chunksPerDocument: 2, concurrency: 1, contextLength: 404 }),
      server,
      {
        onProgress: ({ completed, total, made, tokens, dropped }) =>
          seen.push([completed, total, made, tokens, dropped]),
      },
    );
    await expect(run).rejects.toMatchObject({ code: 'NO_ROWS', exitCode: 4 });
    expect(seen).toEqual([
      [0, 2, 0, 0, { document_too_short: 1 }],
      [1, 2, 1, 100, { document_too_short: 1, no_question: 1 }],
      [2, 2, 2, 200, { document_too_short: 1, no_question: 2 }],
    ]);
  });

  it('names the reasons when no row is left', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a') });
    await using server = await OpenAIServer.listen((request) =>
      asksForQuestions(request) ? speak(request) : { text: "I'm sorry, but I cannot help with that." },
    );
    await expect(runGenerate(corpus.config(), server)).rejects.toMatchObject({
      code: 'NO_ROWS',
      exitCode: 4,
      message: expect.stringMatching(/1 documents \(dropped: refusal 4\): add documents, or loosen/),
    });
    expect(existsSync(join(corpus.data, 'rows.jsonl'))).toBe(false);
  });

  it('drops what the server has no room for, and only that', async () => {
    using corpus = new Corpus({ 'a.txt': documentText('a') });
    await using server = await OpenAIServer.listen((request) =>
      !asksForQuestions(request) && request.prompt.startsWith('ab-0')
        ? { status: 400, code: 'context_length_exceeded' }
        : speak(request),
    );
    const { turns, dropped } = await runGenerate(corpus.config(), server);
    expect({ turns, dropped }).toEqual({ turns: 3, dropped: { context_length: 1 } });
  });
});

describe('a run after another', () => {
  const idsOf = (corpus: Corpus) =>
    readFileOf(corpus.config(), 'items.jsonl')
      .split('\n')
      .slice(1, -1)
      .map((line) => JSON.parse(line).id as string);

  it('goes on where a killed one ended: the same file, and nothing that was done is asked again', async () => {
    using whole = new Corpus(files);
    using halves = new Corpus(files);
    await using server = await OpenAIServer.listen();
    await runGenerate(whole.config(), server);

    server.requests.length = 0;
    const kill = new AbortController();
    const first = runGenerate(halves.config(), server, {
      signal: kill.signal,
      onProgress: ({ made }) => made === 5 && kill.abort(new Error('killed')),
    });
    await expect(first).rejects.toThrow('killed');
    const done = idsOf(halves);
    expect({ some: done.length >= 5, all: done.length >= 16 }).toEqual({ some: true, all: false });

    server.requests.length = 0;
    await runGenerate(halves.config({ attempt: 2, concurrency: 2 }), server);
    expect(server.requests.length).toBe(3 * (16 - done.length));
    const ids = idsOf(halves);
    expect(ids.length).toBe(new Set(ids).size);
    expect(readFileOf(halves.config(), 'rows.jsonl')).toBe(readFileOf(whole.config(), 'rows.jsonl'));
  });

  it.each([
    ['a torn last line', (path: string, size: number) => truncateSync(path, size - 7), 1],
    ['half a line behind the last', (path: string) => appendFileSync(path, '{"id":"a.txt#0-'), 0],
    ['zeros behind the last line', (path: string) => appendFileSync(path, '\0\0\0\0\n\0\0'), 0],
  ])('cuts %s and makes its item again', async (_, tear, again) => {
    using whole = new Corpus(files);
    using torn = new Corpus(files);
    await using server = await OpenAIServer.listen();
    await runGenerate(whole.config(), server);
    await runGenerate(torn.config(), server);
    const rows = readFileOf(torn.config(), 'rows.jsonl');
    const items = join(torn.data, 'items.jsonl');
    tear(items, Buffer.byteLength(readFileOf(torn.config(), 'items.jsonl')));
    writeFileSync(join(torn.data, 'rows.jsonl'), '');

    server.requests.length = 0;
    await runGenerate(torn.config(), server);
    expect({ asked: server.requests.length, rows: readFileOf(torn.config(), 'rows.jsonl') }).toEqual({
      asked: 3 * again,
      rows,
    });
    expect(idsOf(torn).toSorted()).toEqual(idsOf(whole).toSorted());
  });

  it('returns what is published without a request', async () => {
    using corpus = new Corpus(files);
    let result: unknown;
    {
      await using server = await OpenAIServer.listen();
      result = await runGenerate(corpus.config(), server);
    }
    const again = await runGenerate(corpus.config({ concurrency: 9, attempt: 3 }), {
      url: 'http://127.0.0.1:9/v1',
    });
    expect(again).toEqual(result);
  });

  it('makes rows again that are not what was published', async () => {
    using corpus = new Corpus(files);
    await using server = await OpenAIServer.listen();
    const result = await runGenerate(corpus.config(), server);
    writeFileSync(join(corpus.data, 'rows.jsonl'), '{}\n');
    server.requests.length = 0;
    expect(await runGenerate(corpus.config(), server)).toEqual(result);
    expect(server.requests).toEqual([]);
  });

  it.each([
    ['settings', { config: { seed: 7 } }],
    ['filters', { config: { filter: { identical: false } } }],
    ['a model', { model: 'other weights' }],
    ['documents', { write: documentText('z') }],
  ])('starts afresh with other %s and keeps the old items aside', async (_, change) => {
    using corpus = new Corpus(files);
    await using server = await OpenAIServer.listen();
    await runGenerate(corpus.config(), server);
    const old = readFileOf(corpus.config(), 'items.jsonl');
    if ('write' in change) corpus.write('b.md', change.write);
    server.requests.length = 0;
    const config = corpus.config('config' in change ? change.config : {});
    await runGenerate(config, server, 'model' in change ? { model: change.model } : {});
    expect(server.requests.length).toBe(3 * 16);
    const aside = readdirSync(corpus.data).filter((name) => /^items\.jsonl\.\d{4}-/.test(name));
    expect(aside.map((name) => readFileOf(config, name))).toEqual([old]);
  });

  it('ends at the first refusal, with the items that were done on the disk', async () => {
    using corpus = new Corpus(files);
    let answered = 0;
    await using server = await OpenAIServer.listen((request) =>
      ++answered > 9 ? { status: 403, code: 'forbidden' } : speak(request),
    );
    await expect(runGenerate(corpus.config({ concurrency: 1 }), server)).rejects.toMatchObject({
      code: 'ENDPOINT_REFUSED',
      exitCode: 2,
    });
    expect(idsOf(corpus).length).toBe(3);
    expect(answered).toBe(10);
  });
});
