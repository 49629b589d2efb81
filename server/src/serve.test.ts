/** A whole server in this process: a tiny random model on the real engine, asked by the unmodified openai client. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byteVocabularySize, writeByteTokenizer } from '@longpo/tokens/fixture';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFixtureModel } from './model/fixture.ts';
import { type RunningServer, startServer } from './serve.ts';

const contextLength = 4096;
let root: string;
let server: RunningServer;
let lines: Record<string, unknown>[];
let client: OpenAI;

const start = (changes: { model?: string; port?: number } = {}) =>
  startServer({
    model: root,
    servedModelName: 'tiny',
    quantization: 'none',
    maxModelLen: null,
    ropeTheta: null,
    cache: join(root, 'cache'),
    // A request that keeps its slot keeps every other one waiting.
    parallelSequences: 1,
    host: '127.0.0.1',
    port: 0,
    log: (values) => lines.push(values),
    ...changes,
  });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-serve-'));
  lines = [];
  const config = { vocab_size: byteVocabularySize, max_position_embeddings: contextLength, eos_token_id: 2 };
  await writeFixtureModel(root, { config });
  await writeByteTokenizer(root);
  server = await start();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterEach(async () => {
  await server.close(0);
  await rm(root, { recursive: true });
});

const messages = [{ role: 'user' as const, content: 'Hello' }];
const request = { model: 'tiny', messages, max_tokens: 12, temperature: 0, ignore_eos: true };
const endless = { ...request, max_tokens: contextLength - 200 };

const cause = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((sample) => sample.startsWith(`${name}{`));
  return Number(line?.split(' ').at(-1));
}

it('says the same whole and streamed, with the same usage', async () => {
  // <|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n: three specials and 21 bytes.
  const usage = { prompt_tokens: 24, completion_tokens: 12, total_tokens: 36 };
  const whole = await client.chat.completions.create(request);
  const [choice] = whole.choices;
  expect(choice?.finish_reason).toBe('length');
  expect(whole.usage).toMatchObject(usage);
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  const usages: unknown[] = [];
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    if (chunk.usage) usages.push(chunk.usage);
  }
  expect(text).toBe(choice?.message.content);
  expect(text).not.toBe('');
  expect(usages).toMatchObject([usage]);
});

it("gives OpenAI's error classes, with the length of the real context", async () => {
  const long = [{ role: 'user' as const, content: 'x'.repeat(contextLength) }];
  const errors = await Promise.all([
    cause(client.chat.completions.create({ ...request, model: 'gpt-4' })),
    cause(client.chat.completions.create({ ...request, messages: long })),
  ]);
  expect(errors.map((error) => error?.constructor)).toEqual([NotFoundError, BadRequestError]);
  expect(errors).toMatchObject([
    { status: 404, code: 'model_not_found', param: 'model' },
    {
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
      message: expect.stringContaining(`maximum context length is ${contextLength} tokens`),
    },
  ]);
});

it('frees the slot of a stream that its client leaves', async () => {
  const stream = await client.chat.completions.create({ ...endless, stream: true });
  for await (const { choices } of stream) if (choices[0]?.delta.content) break;
  await expect.poll(() => metric('longpo_num_requests_running')).toBe(0);
  await expect.poll(() => metric('longpo_request_cancelled_total')).toBe(1);
  expect(await metric('longpo_generation_tokens_total')).toBeLessThan(endless.max_tokens);
  expect((await client.chat.completions.create(request)).usage?.completion_tokens).toBe(12);
});

it('frees the slot of a whole answer that its client does not wait for', async () => {
  const leave = new AbortController();
  const answer = cause(client.chat.completions.create(endless, { signal: leave.signal }));
  await expect.poll(() => metric('longpo_num_requests_running')).toBe(1);
  leave.abort();
  await answer;
  await expect.poll(() => metric('longpo_num_requests_running')).toBe(0);
  await expect.poll(() => metric('longpo_request_cancelled_total')).toBe(1);
});

it('leaves a taken port to the one who has it', async () => {
  const port = Number(new URL(server.url).port);
  expect(await cause(start({ port }))).toMatchObject({ code: 'PORT_IN_USE' });
  expect((await client.chat.completions.create(request)).choices.length).toBe(1);
});

it('gives its port back when the model cannot be served', async () => {
  const port = Number(new URL(server.url).port);
  await server.close(0);
  expect(await cause(start({ port, model: join(root, 'none') }))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
  server = await start({ port });
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

it('ends with close, which cuts what is still running after the grace', async () => {
  const stream = await client.chat.completions.create({ ...endless, stream: true });
  let closed: Promise<void> | undefined;
  const reasons: unknown[] = [];
  for await (const { choices } of stream) {
    if (choices[0]?.delta.content) closed ??= server.close(0);
    reasons.push(choices[0]?.finish_reason);
  }
  expect(reasons.at(-1)).toBe('length');
  await closed;
  expect(await cause(fetch(`${server.url}/healthz`))).toBeInstanceOf(TypeError);
  expect(lines.map(({ msg, finish }) => [msg, finish])).toEqual([
    ['ready', undefined],
    ['request', 'cut'],
  ]);
});
