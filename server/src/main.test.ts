/** longpo-serve as an executor runs it: a process with env, signals and exit codes, on a tiny random model. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byteVocabularySize, writeByteTokenizer } from '@longpo/tokens/fixture';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeFixtureModel } from './model/fixture.ts';

const main = join(import.meta.dirname, 'main.ts');
const maxModelLen = 4096;
/** Machines that build something else meanwhile start a process in a quarter of it. */
const minute = 60_000;
let root: string;
let model: string;
let children: ChildProcess[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'longpo-serve-'));
  model = join(root, 'model');
  const config = { vocab_size: byteVocabularySize, max_position_embeddings: maxModelLen, eos_token_id: 2 };
  await writeFixtureModel(model, { config });
  await writeByteTokenizer(model);
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  await rm(root, { recursive: true });
});

const config = {
  model: 'model',
  servedModelName: 'tiny',
  quantization: 'none',
  maxModelLen: null,
  ropeTheta: null,
  cache: 'cache',
  parallelSequences: 2,
};

function start(env: Record<string, string> = {}, args: string[] = []) {
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      PATH: process.env.PATH,
      LONGPO_CONFIG: JSON.stringify(config),
      LONGPO_VOLUME_ROOT: root,
      LONGPO_LISTEN: '127.0.0.1:0',
      LONGPO_TERMINATION_LOG: join(root, 'termination.json'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const lines = (): Record<string, unknown>[] =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const ended = once(child, 'close').then(([code]) => ({ code, stderr }));
  const ready = async (): Promise<string> => {
    const find = () => lines().find(({ msg }) => msg === 'ready')?.url;
    await expect.poll(find, { timeout: minute }).toBeDefined();
    return String(find());
  };
  return { child, lines, ended, ready };
}

const termination = async () => JSON.parse(await readFile(join(root, 'termination.json'), 'utf8'));

/** Runs to its end and compares what an executor sees of it. */
async function expectFailure(exitCode: number, code: string, message: string, env?: Record<string, string>) {
  const { code: exit, stderr } = await start(env).ended;
  expect({ exit, stderr }).toEqual({ exit: exitCode, stderr: `error[${code}]: ${message}\n` });
  expect(await termination()).toEqual({ error: { code, message } });
}

/** Publishes the folder as a checkpoint, as the trainer does. */
async function writeManifest(): Promise<void> {
  const files = await Promise.all(
    (await readdir(model)).toSorted().map(async (path) => {
      const content = await readFile(join(model, path));
      return { path, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    }),
  );
  const lines = files.map(({ sha256, path }) => `${sha256}  ${path}\n`).join('');
  const digest = `sha256:${createHash('sha256').update(lines).digest('hex')}`;
  const origin = { training: 'tiny', stage: '1k', step: 4, contextLength: 1024, dtype: 'f32' };
  const rest = { metrics: {}, createdAt: '2026-11-24T09:00:00Z', trainerVersion: '0.1.0' };
  const kind = { apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOCheckpoint' };
  const manifest = { ...kind, ...origin, baseModelDigest: digest, digest, files, ...rest };
  await writeFile(join(model, 'longpo-checkpoint.json'), JSON.stringify(manifest));
}

describe('a server', { timeout: 3 * minute }, () => {
  it('says that it is ready, answers the same for the same seed, and ends with 0 on SIGTERM', async () => {
    await writeManifest();
    const { child, lines, ended, ready } = start();
    const url = await ready();
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const ask = async () => {
      const response = await fetch(`${url}/v1/completions`, {
        method: 'POST',
        body: JSON.stringify({ model: 'tiny', prompt: 'Hello', max_tokens: 20, seed: 3, ignore_eos: true }),
      });
      const { choices, usage } = (await response.json()) as { choices: object[]; usage: object };
      return { status: response.status, choices, usage };
    };
    const first = await ask();
    expect(first).toMatchObject({
      status: 200,
      choices: [{ finish_reason: 'length' }],
      usage: { prompt_tokens: 5, completion_tokens: 20 },
    });
    expect(await ask()).toMatchObject({ choices: first.choices });
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 0, stderr: '' });
    expect(lines().map(({ msg }) => msg)).toEqual(['config', 'ready', 'request', 'request', 'stopping']);
    expect(lines()[0]).toMatchObject({ servedModelName: 'tiny', parallelSequences: 2, drainSeconds: 25 });
    expect(lines()[1]).toMatchObject({
      level: 'info',
      role: 'serve',
      digest: expect.stringMatching(/^sha256:/),
      maxModelLen,
    });
  });

  it('finishes a running answer after SIGTERM, and takes no new one', async () => {
    const { child, ended, ready } = start({}, ['--drain-seconds', '120']);
    const url = await ready();
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'tiny',
        prompt: 'a',
        max_tokens: 500,
        ignore_eos: true,
        stream: true,
        stream_options: { include_usage: true },
      }),
    });
    const text = response.text();
    child.kill('SIGTERM');
    await expect.poll(() => fetch(`${url}/readyz`).catch(() => 'refused')).toBe('refused');
    const tail = (await text).trimEnd().split('\n\n').slice(-2);
    expect(tail[0]).toContain('"completion_tokens":500');
    expect(tail[1]).toBe('data: [DONE]');
    expect(await ended).toEqual({ code: 0, stderr: '' });
  });

  /** What a stream gives that ends when the server does, and when its first token has come. */
  const endless = async (url: string) => {
    const body = { model: 'tiny', prompt: 'a', max_tokens: 4000, ignore_eos: true, stream: true };
    const request = { method: 'POST', body: JSON.stringify(body) };
    const { body: bytes } = await fetch(`${url}/v1/completions`, request);
    const parts = bytes?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const read = async () => {
      const { done = true, value = '' } = (await parts?.read()) ?? {};
      text += value;
      return !done;
    };
    while (!text.includes('data: ') && (await read()));
    const rest = async () => {
      while (await read());
      return text.trimEnd().split('\n\n').slice(-2);
    };
    return { rest };
  };
  const lastEvents = [
    expect.stringContaining('"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]'),
    'data: [DONE]',
  ];

  it('gives a stream that is cut at the deadline its last chunk, and ends with 0', async () => {
    const { child, lines, ended, ready } = start({}, ['--drain-seconds', '0.1']);
    const stream = await endless(await ready());
    child.kill('SIGTERM');
    expect(await stream.rest()).toEqual(lastEvents);
    expect(await ended).toEqual({ code: 0, stderr: '' });
    expect(lines()).toContainEqual(expect.objectContaining({ msg: 'request', finish: 'cut' }));
  });

  it('cuts at once when it is told a second time', async () => {
    const { child, lines, ended, ready } = start();
    const stream = await endless(await ready());
    child.kill('SIGTERM');
    await expect.poll(() => lines().at(-1)).toMatchObject({ msg: 'stopping', graceMs: 25_000 });
    child.kill('SIGTERM');
    expect(await stream.rest()).toEqual(lastEvents);
    expect(await ended).toEqual({ code: 0, stderr: '' });
    expect(lines()).toContainEqual(expect.objectContaining({ msg: 'stopping', graceMs: 0 }));
  });

  it('shows its progress while it loads, and can be stopped then', async () => {
    // A pipe that nobody writes to: the read of the config never ends.
    const pipe = join(model, 'config.json');
    await rm(pipe);
    execFileSync('mkfifo', [pipe]);
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    await new Promise((closed) => probe.close(closed));
    const { child, lines, ended } = start({ LONGPO_LISTEN: `127.0.0.1:${port}` });
    const readyz = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        async (response) => [response.status, await response.json()],
        () => 'refused',
      );
    await expect
      .poll(readyz, { timeout: minute })
      .toMatchObject([503, { error: { code: 'model_loading', message: 'The model is loading (0 %).' } }]);
    // Fails until somebody reads.
    const openWriter = () => open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    const writer = await vi.waitFor(openWriter, { timeout: minute });
    child.kill('SIGTERM');
    await expect.poll(() => lines().map(({ msg }) => msg)).toEqual(['config', 'stopping']);
    // The read holds a thread, for which the end of a process waits.
    await writer.close();
    expect(await ended).toEqual({ code: 0, stderr: '' });
  });
});

describe('a server that cannot start', { timeout: 2 * minute }, () => {
  it('names a taken port and the fix', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const message = `127.0.0.1:${port} is taken: stop what listens there, or choose another port`;
    await expectFailure(2, 'PORT_IN_USE', message, { LONGPO_LISTEN: `127.0.0.1:${port}` });
    other.close();
  });

  it('names a folder that does not exist', async () => {
    const message = `${root}/none: no such folder; give the path of a Hugging Face model folder`;
    await expectFailure(2, 'MODEL_NOT_FOUND', message, {
      LONGPO_CONFIG: JSON.stringify({ ...config, model: 'none' }),
    });
  });

  it("names a file of the tokenizer's that is missing", async () => {
    await rm(join(model, 'tokenizer_config.json'));
    const message = `${model}/tokenizer_config.json is missing: download the model folder again`;
    await expectFailure(2, 'MODEL_INCOMPLETE', message);
  });

  it('names the file of keys that is missing', async () => {
    const file = join(root, 'keys');
    const message = `--api-key-file ${file}: cannot be read (ENOENT: no such file or directory, stat '${file}')`;
    await expectFailure(2, 'CONFIG_INVALID', message, { LONGPO_SERVE_API_KEY_FILE: file });
  });

  it('names the field of a config that is wrong', async () => {
    const message = 'LONGPO_CONFIG, parallelSequences: Too small: expected number to be >0';
    await expectFailure(2, 'CONFIG_INVALID', message, {
      LONGPO_CONFIG: JSON.stringify({ ...config, parallelSequences: 0 }),
    });
  });

  it('ends with 4 for a checkpoint whose weights have one changed byte', async () => {
    await writeManifest();
    const weights = join(model, 'model.safetensors');
    const content = await readFile(weights);
    const last = content.length - 1;
    content.writeUInt8(content.readUInt8(last) ^ 1, last);
    await writeFile(weights, content);
    expect(await start().ended).toEqual({
      code: 4,
      stderr: expect.stringMatching(/^error\[CHECKPOINT_CORRUPT\]: .*model\.safetensors.*\n$/),
    });
    expect(await termination()).toMatchObject({ error: { code: 'CHECKPOINT_CORRUPT' } });
  });

  it('ends with 4 for a checkpoint that lacks a file', async () => {
    await writeManifest();
    await rm(join(model, 'chat_template.jinja'));
    expect(await start().ended).toMatchObject({ code: 4 });
    expect(await termination()).toMatchObject({ error: { code: 'CHECKPOINT_FILE_MISSING' } });
  });
});
