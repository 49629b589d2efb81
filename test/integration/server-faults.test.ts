/** What a server does when its clients or its files do not behave: a process on a tiny random model, seen from outside. */
import { once } from 'node:events';
import { mkdtemp, readdir, rename, rm, truncate } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFixtureModel } from '../../server/src/model/fixture.ts';
import { byteVocabularySize } from '../../tokens/src/fixture.ts';
import { writeByteModel } from '../load/byte-model.ts';
import { ServerProcess } from '../load/server-process.ts';

const contextLength = 8192;
const patience = { interval: 5, timeout: 60_000 };
let root: string;
let model: string;
let server: ServerProcess | undefined;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-faults-'));
  model = join(root, 'model');
  await writeByteModel(model, { contextLength });
});
afterEach(async () => {
  await server?.kill();
  server = undefined;
  await rm(root, { recursive: true });
});

/** One slot: a request that keeps it keeps every other one waiting. */
async function start(
  quantization: 'none' | 'int8' | 'int4' = 'none',
  ...further: string[]
): Promise<ServerProcess> {
  const flags = ['--quantization', quantization, '--cache', join(root, 'cache'), '--parallel-sequences', '1'];
  server = await ServerProcess.start(model, [...flags, ...further]);
  return server;
}

/** Greedy, with the log-probability of every token: an answer that equals another does so to the last bit. */
const greedy = { temperature: 0, ignore_eos: true, logprobs: 1 };
const short = { ...greedy, prompt: 'The sea is blue', max_tokens: 24 };
const long = { ...greedy, prompt: 'Call me Ishmael. '.repeat(200), max_tokens: 24 };
const inFormat = { ...short, ignore_eos: false, structured_outputs: { json: { const: 'The sea' } } };

/** A request on a connection of its own, which its owner ends as it likes. */
async function send({ url }: ServerProcess, request: object): Promise<Socket> {
  const body = JSON.stringify({ model: 'served', ...request });
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nhost: served\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

const reading = { ...greedy, prompt: 'x'.repeat(contextLength - 100), max_tokens: 50, stream: true };
const writing = { ...greedy, prompt: 'a', max_tokens: contextLength - 100, stream: true };

describe('a client that vanishes', () => {
  const ways = [
    { how: 'closes', leave: (socket: Socket) => socket.destroy() },
    { how: 'resets', leave: (socket: Socket) => socket.resetAndDestroy() },
  ];

  it.each(ways)(
    'amid its prompt ($how) leaves its slot to the next, whose answer is right',
    async ({ leave }) => {
      const served = await start();
      const answer = await served.complete(short);
      const before = await served.metric('longpo_prefill_tokens_total');
      const socket = await send(served, reading);
      const computed = async () => (await served.metric('longpo_prefill_tokens_total')) - before;
      await expect.poll(computed, patience).toBeGreaterThan(0);
      leave(socket);
      await expect.poll(() => served.metric('longpo_num_requests_running'), patience).toBe(0);
      expect(await computed()).toBeLessThan(reading.prompt.length);
      expect(await served.complete(short)).toEqual(answer);
    },
  );

  it.each(ways)(
    'amid its answer ($how) leaves its slot to the next, whose answer is right',
    async ({ leave }) => {
      const served = await start();
      const answer = await served.complete(short);
      const socket = await send(served, writing);
      await once(socket, 'data');
      await expect.poll(() => served.metric('longpo_num_requests_running'), patience).toBe(1);
      leave(socket);
      await expect.poll(() => served.metric('longpo_num_requests_running'), patience).toBe(0);
      expect(await served.metric('longpo_generation_tokens_total')).toBeLessThan(writing.max_tokens);
      expect(await served.complete(short)).toEqual(answer);
    },
  );
});

describe('a client that reads a byte a second', () => {
  /** From the first event on: what is before it differs by the moment. */
  const eventsOf = (bytes: Buffer): unknown[] =>
    [...bytes.toString().matchAll(/data: (\{.*\})\n/g)].map(([, json]) => {
      const { choices } = JSON.parse(json ?? '') as { choices: unknown };
      return choices;
    });

  it('keeps no slot and no other client waiting, and gets every token when it reads on', async () => {
    const served = await start();
    const answer = await served.complete(short);
    // More than the buffers of a connection hold.
    const request = { ...writing, max_tokens: 2000, logprobs: 20 };
    const whole = eventsOf(Buffer.from(await (await served.post('/v1/completions', request)).bytes()));
    expect(whole.length).toBeGreaterThanOrEqual(request.max_tokens);

    const socket = await send(served, request);
    socket.pause();
    const parts: Buffer[] = [];
    const seconds = new AbortController();
    const slowly = (async () => {
      while (!seconds.signal.aborted) {
        const byte = socket.read(1) as Buffer | null;
        if (byte) parts.push(byte);
        await sleep(1000, undefined, { signal: seconds.signal }).catch(() => undefined);
      }
    })();
    // With one slot it is answered after the slow client's request, which ends although hardly a byte of it is read.
    expect(await served.complete(short)).toEqual(answer);
    expect(await served.metric('longpo_num_requests_running')).toBe(0);
    expect(Buffer.concat(parts).length).toBeLessThan(1000);
    seconds.abort();
    await slowly;
    for await (const part of socket) {
      parts.push(part);
      if ((part as Buffer).includes('[DONE]')) break;
    }
    expect(eventsOf(unchunked(Buffer.concat(parts)))).toEqual(whole);
  });
});

it('a client that reads nothing does not hold up the end of the server', async () => {
  const served = await start('none', '--drain-seconds', '1');
  const socket = await send(served, { ...writing, max_tokens: 2000, logprobs: 20 });
  // The server may reset it.
  socket.pause().on('error', () => undefined);
  await expect.poll(() => served.metric('longpo_generation_tokens_total'), patience).toBeGreaterThan(0);
  await expect.poll(() => served.metric('longpo_num_requests_running'), patience).toBe(0);
  served.terminate();
  expect(await served.ended).toEqual({ code: 0, signal: null, stderr: '' });
  socket.destroy();
});

/** The body of a response in chunked coding. */
function unchunked(response: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = response.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const end = response.indexOf('\r\n', at);
    const size = Number.parseInt(response.toString('latin1', at, end), 16);
    if (end < 0 || !(size > 0)) return Buffer.concat(parts);
    parts.push(response.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

describe('a model folder that changes while it is served', () => {
  const widths = ['none', 'int8', 'int4'] as const;
  const ask = async (served: ServerProcess) => [
    await served.complete(short),
    await served.complete(long),
    await served.complete(inFormat),
  ];

  it.each(widths)(
    'by renaming another into its place leaves the answers as they were (%s)',
    async (width) => {
      // Another model with the same shapes and another tokenizer.
      const next = join(root, 'next');
      const config = { vocab_size: byteVocabularySize, max_position_embeddings: contextLength };
      await writeFixtureModel(next, { seed: 2, config });
      const served = await start(width);
      const first = await served.complete(short);
      await rename(model, join(root, 'previous'));
      await rename(next, model);
      const answers = await ask(served);
      expect(answers[0]).toEqual(first);
      await served.kill();
      await rm(model, { recursive: true });
      await rename(join(root, 'previous'), model);
      expect(await ask(await start(width))).toEqual(answers);
    },
  );

  it.each(widths)(
    'by its end, with that of the cache, leaves the answers as they were (%s)',
    async (width) => {
      const answers = await ask(await start(width));
      await server?.kill();
      const served = await start(width);
      await rm(model, { recursive: true });
      await rm(join(root, 'cache'), { recursive: true, force: true });
      expect(await ask(served)).toEqual(answers);
    },
  );

  it.each(widths)(
    'by being written into changes the answers, which are answers still (%s)',
    async (width) => {
      const served = await start(width);
      const answers = await ask(served);
      await writeByteModel(model, { contextLength, seed: 2 });
      const changed = await ask(served);
      expect(changed).toEqual(answers.map(() => [expect.objectContaining({ text: expect.any(String) })]));
      expect(changed).not.toEqual(answers);
    },
  );

  it('by being cut off ends the process, and the next start names the file', async () => {
    const served = await start();
    await truncate(join(model, 'model.safetensors'), 0);
    await served.complete(short).catch(() => undefined);
    expect(await served.ended).toEqual({ code: null, signal: 'SIGBUS', stderr: '' });
    await expect(start()).rejects.toThrow(/^error\[MODEL_TRUNCATED\]: .*model\.safetensors/);
  });
});

describe('a server that is killed', () => {
  it('finds on disk what it had read, if nobody had asked it for a while', async () => {
    const prefixes = join(root, 'prefixes');
    const served = await start('none', '--prefix-cache', prefixes);
    const answer = await served.complete(long);
    const files = () => readdir(prefixes, { recursive: true }).catch(() => []);
    await expect
      .poll(async () => (await files()).filter((name) => name.endsWith('.kv')), {
        ...patience,
        interval: 100,
      })
      .toHaveLength(1);
    await served.kill();
    const next = await start('none', '--prefix-cache', prefixes);
    const hits = await next.metric('longpo_prefix_cache_hits_total');
    expect(await next.complete(long)).toEqual(answer);
    expect((await next.metric('longpo_prefix_cache_hits_total')) - hits).toBe(long.prompt.length - 1);
  });
});
