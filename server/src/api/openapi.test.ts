import type { Tokenizer } from '@longpo/tokens';
import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, describe, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './fixture.ts';
import { defaultLimits } from './limits.ts';
import * as responses from './responses.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { requestBody?: { content: { 'application/json': { example: object } } } }>
  >;
  components: { schemas: Record<string, { properties: Record<string, object>; required: string[] }> };
}

const documentOf = async ({ app }: ReturnType<typeof testApp>) =>
  (await (await app.request('/openapi.json')).json()) as Document;

describe('the OpenAPI document', () => {
  it('is one', async () => {
    const document = await documentOf(testApp(tokenizer));
    expect(await new Validator().validate({ ...document })).toEqual({ valid: true });
  });

  it('has every route of the server, and no other', async () => {
    const server = testApp(tokenizer);
    const routes = server.app.routes
      .filter(({ method, path }) => method !== 'ALL' && !path.startsWith('/docs/'))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)\{.*\}/, '{$1}')}`);
    const documented = Object.entries((await documentOf(server)).paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(routes.toSorted());
  });

  it('describes requests by the schemas that parse them, with the limits of this server', async () => {
    const server = testApp(tokenizer, '', { limits: { ...defaultLimits, choices: 3 } });
    const { ChatRequest, CompletionRequest } = (await documentOf(server)).components.schemas;
    expect(ChatRequest?.required).toEqual(['model', 'messages']);
    expect(ChatRequest?.properties.n).toMatchObject({
      anyOf: [{ minimum: 1, maximum: 3 }, { type: 'null' }],
    });
    expect(CompletionRequest?.properties.prompt).toMatchObject({ anyOf: expect.any(Array) });
  });

  it('shows an example of each request, which is answered', async () => {
    const server = testApp(tokenizer, 'x');
    const bodies = Object.entries((await documentOf(server)).paths).flatMap(([path, { post }]) => {
      const example = post?.requestBody?.content['application/json'].example;
      return example === undefined ? [] : [{ path, example }];
    });
    const answers = bodies.map(async ({ path, example }) => [
      path,
      (await server.post(path, example)).status,
    ]);
    expect(await Promise.all(answers)).toEqual([
      ['/v1/chat/completions', 200],
      ['/v1/completions', 200],
      ['/tokenize', 200],
      ['/detokenize', 200],
    ]);
  });

  it('describes what the endpoints answer', async () => {
    const { app, chat, complete, post } = testApp(tokenizer, 'x');
    const json = async (response: Response | Promise<Response>): Promise<unknown> => (await response).json();
    const strict = (schema: { shape: Record<string, unknown> }, body: unknown) =>
      expect(Object.keys(body as object).toSorted()).toEqual(Object.keys(schema.shape).toSorted());
    const answers = [
      [responses.chatResponse, await json(chat({ logprobs: true, top_logprobs: 1, n: 2 }))],
      [responses.completionResponse, await json(complete({ logprobs: 1, echo: true }))],
      [responses.modelsResponse, await json(app.request('/v1/models'))],
      [responses.modelResponse, await json(app.request('/v1/models/tiny'))],
      [responses.tokenizeResponse, await json(post('/tokenize', { prompt: 'a', return_token_strs: true }))],
      [responses.detokenizeResponse, await json(post('/detokenize', { tokens: [100] }))],
      [responses.tokenizerInfoResponse, await json(app.request('/tokenizer_info'))],
      [responses.errorResponse, await json(chat({ n: 0 }))],
    ] as const;
    for (const [schema, body] of answers) {
      expect(schema.parse(body)).toEqual(body);
      strict(schema, body);
    }
  });
});

describe('the page that shows it', () => {
  it('loads all it needs from this server', async () => {
    const { app } = testApp(tokenizer);
    const page = await app.request('/docs');
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
    const links = [...(await page.text()).matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link]) => `/${link}`);
    expect(links).toEqual(['/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/docs/start.js']);
    const loaded = await Promise.all(links.map(async (link) => app.request(link)));
    expect(loaded.map(({ status, headers }) => [status, headers.get('content-type')])).toEqual([
      [200, 'text/css; charset=utf-8'],
      [200, 'text/javascript; charset=utf-8'],
      [200, 'text/javascript; charset=utf-8'],
    ]);
  });
});
