import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

type Ask = (server: ReturnType<typeof testApp>) => Promise<Response>;

const get =
  (path: string): Ask =>
  async ({ app }) =>
    app.request(path, { headers: { 'x-request-id': 'test' } });

const large = { messages: [{ role: 'user', content: 'x'.repeat(1 << 20) }] };

it.each<[string, number, Ask]>([
  ['a probe', 200, get('/healthz')],
  ['the metrics', 200, get('/metrics')],
  ['the models', 200, get('/v1/models')],
  ['a whole answer', 200, ({ chat }) => chat({})],
  ['a stream', 200, ({ complete }) => complete({ stream: true })],
  ['a refused field', 400, ({ complete }) => complete({ n: 99 })],
  ['a body that is not JSON', 400, ({ post }) => post('/v1/completions', '{')],
  ['another model', 404, ({ complete }) => complete({ model: 'gpt-4' })],
  ['a path that does not exist', 404, get('/v2')],
  ['a body that is too large', 413, ({ chat }) => chat(large)],
  [
    'a failure of the engine',
    500,
    ({ chat, engine }) => {
      engine.beforeToken = () => Promise.reject(new Error('out of memory'));
      return chat({});
    },
  ],
  [
    'a model that loads',
    503,
    ({ chat, setState }) => {
      setState({ phase: 'loading', percent: 0 });
      return chat({});
    },
  ],
])('is on %s', async (_, status, ask) => {
  const response = await ask(testApp(tokenizer, 'x'));
  expect([response.status, response.headers.get('x-request-id')]).toEqual([status, 'test']);
});

it('is kept when it is one and made when it is not', async () => {
  const { chat } = testApp(tokenizer, 'x');
  const idOf = async (given: string) =>
    (await chat({}, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
  expect(await idOf('my-request.1')).toBe('my-request.1');
  expect(await idOf('a b')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await idOf('x'.repeat(200))).toMatch(/^[0-9a-f-]{36}$/);
});
