import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tokenizer } from '@longpo/tokens';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiKeys } from './api-keys.ts';
import { byteTokenizer, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
let folder: string;
let file: string;
let failures: unknown[];
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'api-keys-'));
  file = join(folder, 'keys');
  failures = [];
  await writeFile(file, '# of team a\nkey-a\n\n  key-b  \n');
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => new ApiKeys(file, (error) => failures.push(error));

describe('a file of keys', () => {
  it('allows each of its lines, and no part, comment or empty key', () => {
    const keys = open();
    const given = ['key-a', 'key-b', 'key-', 'key-a ', '# of team a', ''];
    expect(given.map((key) => keys.allows(key))).toEqual([true, true, false, false, false, false]);
  });

  it('is read again when it is replaced or written to', async () => {
    const keys = open();
    await writeFile(join(folder, 'next'), 'key-c\n');
    await rename(join(folder, 'next'), file);
    expect([keys.allows('key-a'), keys.allows('key-c')]).toEqual([false, true]);
    await writeFile(file, 'key-longer-than-c\n');
    expect([keys.allows('key-c'), keys.allows('key-longer-than-c')]).toEqual([false, true]);
  });

  it('holds its last keys while it is away, and says so once', async () => {
    const keys = open();
    await rm(file);
    expect([keys.allows('key-a'), keys.allows('key-b'), failures.length]).toEqual([true, true, 1]);
    await writeFile(file, 'key-c\n');
    expect([keys.allows('key-a'), keys.allows('key-c')]).toEqual([false, true]);
  });

  it('closes the server when its last key is taken out', async () => {
    const keys = open();
    await writeFile(file, '# none\n');
    expect(keys.allows('key-a')).toBe(false);
  });

  it('must be there and hold a key at the start', async () => {
    await writeFile(file, '# none\n');
    expect(open).toThrow(`--api-key-file ${file}: has no key; write one a line`);
    await rm(file);
    expect(open).toThrow(`--api-key-file ${file}: cannot be read`);
  });
});

describe('a server with keys', () => {
  const refused = {
    error: {
      message: 'The API key is missing or wrong: send it as "Authorization: Bearer <key>".',
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_api_key',
    },
  };

  it.each([
    ['POST', '/v1/chat/completions'],
    ['POST', '/v1/completions'],
    ['POST', '/v1/embeddings'],
    ['GET', '/v1/models'],
    ['POST', '/tokenize'],
    ['POST', '/detokenize'],
    ['GET', '/tokenizer_info'],
  ])('guards %s %s', async (method, path) => {
    const { app } = testApp(tokenizer, 'x', { apiKeys: open() });
    const ask = (headers: Record<string, string>) => app.request(path, { method, headers });
    const response = await ask({ authorization: 'Bearer key-c' });
    expect([response.status, response.headers.get('www-authenticate'), await response.json()]).toEqual([
      401,
      'Bearer',
      refused,
    ]);
    expect((await ask({})).status).toBe(401);
    expect((await ask({ authorization: 'Bearer key-b' })).status).not.toBe(401);
  });

  it('leaves the probes and the metrics open', async () => {
    const { app } = testApp(tokenizer, 'x', { apiKeys: open() });
    const paths = ['/healthz', '/readyz', '/metrics'];
    expect(await Promise.all(paths.map(async (path) => (await app.request(path)).status))).toEqual([
      200, 200, 200,
    ]);
  });

  it('writes no key into its log', async () => {
    const { app, lines } = testApp(tokenizer, 'x', { apiKeys: open() });
    for (const key of ['key-a', 'key-c'])
      await app.request('/v1/models', { headers: { authorization: `Bearer ${key}` } });
    expect(lines.map(({ status }) => status)).toEqual([200, 401]);
    expect(JSON.stringify(lines)).not.toContain('key-');
  });

  it('takes an empty key when it has no file, as lm-eval sends it', async () => {
    const { chat } = testApp(tokenizer, 'x');
    expect((await chat({}, { headers: { authorization: 'Bearer ' } })).status).toBe(200);
  });
});
