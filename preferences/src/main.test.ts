/** longpo-generate as a pod runs it: a process, a real tokenizer, a server over HTTP, what it leaves behind. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { progressReport } from '@longpo/api';
import { writeByteTokenizer } from '@longpo/tokens/fixture';
import { describe, expect, it } from 'vitest';
import { type ChatAnswer, Corpus, documentText, OpenAIServer, readFileOf } from './fixture/index.ts';

const main = join(import.meta.dirname, 'main.ts');

/** Bytes are tokens here. */
const sizes = {
  contextLength: 2000,
  chunkTokens: { min: 50, max: 300 },
  minDocumentTokens: 400,
  question: { maxTokens: 300 },
};
/** Paragraphs of 139 bytes, so that two make a chunk and four a document. */
const files = { 'a.txt': documentText('a'), 'b.txt': documentText('b') };

function start(corpus: Corpus, endpoint: string, more: Record<string, string> = {}, overrides: object = {}) {
  const terminationLog = join(corpus.folder, 'termination-log');
  const config = corpus.config({ ...sizes, ...overrides });
  const child = spawn(process.execPath, [main], {
    env: {
      LONGPO_CONFIG: JSON.stringify({
        ...config,
        tokenizer: 'model',
        documents: 'documents',
        directory: 'data',
      }),
      LONGPO_VOLUME_ROOT: corpus.folder,
      LONGPO_ENDPOINT: endpoint,
      LONGPO_TERMINATION_LOG: terminationLog,
      ...more,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const ended = Promise.all([exited, text(child.stdout), text(child.stderr)]).then(
    ([exitCode, stdout, stderr]) => ({
      exitCode,
      logs: stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { msg: string }),
      stderr,
      left: existsSync(terminationLog) ? JSON.parse(readFileSync(terminationLog, 'utf8')) : undefined,
    }),
  );
  return { child, ended };
}

async function makeCorpus(documents: Record<string, string> = files): Promise<Corpus> {
  const corpus = new Corpus(documents);
  await writeByteTokenizer(join(corpus.folder, 'model'));
  return corpus;
}

/** Takes progress reports. */
async function listenForReports() {
  const received: unknown[] = [];
  const server = createServer(async (request, response) => {
    received.push({ token: request.headers.authorization, report: await json(request) });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/report`;
  return { received, url, [Symbol.dispose]: () => void server.close() };
}

describe('longpo-generate', () => {
  it('leaves rows, a result in the termination log and reports behind, and no text in its log', async () => {
    using corpus = await makeCorpus();
    corpus.write('../token', 'secret');
    await using server = await OpenAIServer.listen();
    using reports = await listenForReports();
    const { exitCode, logs, stderr, left } = await start(corpus, server.url, {
      LONGPO_REPORT_URL: reports.url,
      LONGPO_TOKEN_FILE: join(corpus.folder, 'token'),
    }).ended;
    const result = {
      path: 'data/rows.jsonl',
      digest: expect.stringMatching(/^sha256:/),
      rows: 2,
      turns: expect.any(Number),
      dropped: expect.any(Object),
    };
    expect({ exitCode, stderr, left }).toEqual({ exitCode: 0, stderr: '', left: { generate: result } });
    expect(logs.at(-1)).toMatchObject({
      level: 'info',
      role: 'generate',
      msg: 'rows published',
      ...left.generate,
    });
    expect(JSON.stringify(logs)).not.toMatch(/aa-\d|amber|Where/);
    expect(server.requests[0]?.authorization).toBe('Bearer none');
    const last = reports.received.at(-1) as { token: string; report: { total: number } };
    expect(last).toEqual({
      token: 'Bearer secret',
      report: expect.objectContaining({ role: 'generate', phase: 'generate', unit: 'items', etaSeconds: 0 }),
    });
    expect(progressReport.parse(last.report)).toMatchObject({ completed: last.report.total });
  });

  it('stops at SIGTERM with exit code 75, asks nothing new, and goes on afterwards', async () => {
    using corpus = await makeCorpus();
    await using server = await OpenAIServer.listen();
    const { speak } = server;
    const asked = Promise.withResolvers<void>();
    server.speak = (request) => {
      if (server.requests.length < 5) return speak(request);
      asked.resolve();
      return new Promise<ChatAnswer>(() => {});
    };
    const first = start(corpus, server.url, {}, { concurrency: 1 });
    await asked.promise;
    first.child.kill('SIGTERM');
    const { exitCode, stderr, left } = await first.ended;
    const message = 'stopped from outside; start again to go on';
    expect({ exitCode, stderr, left }).toEqual({
      exitCode: 75,
      stderr: `error[PREEMPTED]: ${message}\n`,
      left: { error: { code: 'PREEMPTED', message } },
    });
    expect(server.requests.length).toBe(5);
    server.speak = speak;
    expect((await start(corpus, server.url).ended).exitCode).toBe(0);
    const items = readFileOf(corpus.config(), 'items.jsonl').split('\n').length - 2;
    expect(server.requests.length).toBe(5 + 3 * (items - 1));
  });

  it('goes on after a SIGKILL in the middle, and writes the same file', async () => {
    using whole = await makeCorpus();
    using killed = await makeCorpus();
    await using server = await OpenAIServer.listen();
    const { left: undisturbed } = await start(whole, server.url).ended;
    const first = start(killed, server.url);
    const { speak } = server;
    server.requests.length = 0;
    server.speak = (request) => {
      if (server.requests.length === 10) first.child.kill('SIGKILL');
      return speak(request);
    };
    expect((await first.ended).exitCode).toBe(null);
    const { left } = await start(killed, server.url).ended;
    expect(left).toEqual(undisturbed);
  });

  it.each([
    ['an empty folder', {}, {}, /^error\[DOCUMENTS_EMPTY\]: documents: .*documents has no text: put \.txt/],
    [
      'a context that is too small',
      files,
      { contextLength: 500 },
      /^error\[CONTEXT_TOO_SMALL\]: contextLength 500 /,
    ],
    [
      'bounds that cross',
      files,
      { chunkTokens: { min: 9, max: 8 } },
      /^error\[CONFIG_INVALID\]: LONGPO_CONFIG: chunk/,
    ],
    ['an unreadable line', { 'a.jsonl': '"a"\n{' }, {}, /^error\[DOCUMENT_INVALID\]: a\.jsonl:2 is not JSON/],
  ])('ends with exit code 2 and one line on %s', async (_, documents, overrides, line) => {
    using corpus = await makeCorpus(documents);
    const { exitCode, stderr, left } = await start(corpus, 'http://127.0.0.1:9/v1', {}, overrides).ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringMatching(line) });
    expect(stderr).toBe(`error[${left.error.code}]: ${left.error.message}\n`);
  });

  it('ends with exit code 2 without a tokenizer, and 4 without a row', async () => {
    using corpus = new Corpus(files);
    await using server = await OpenAIServer.listen(() => ({ text: 'No.' }));
    expect(await start(corpus, server.url).ended).toMatchObject({
      exitCode: 2,
      left: { error: expect.anything() },
    });
    await writeByteTokenizer(join(corpus.folder, 'model'));
    const { exitCode, left } = await start(corpus, server.url).ended;
    expect({ exitCode, error: left.error }).toEqual({
      exitCode: 4,
      error: { code: 'NO_ROWS', message: expect.stringContaining('no_question 4') },
    });
  });
});
