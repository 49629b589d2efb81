import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig, terminationLogOf } from './config.ts';

/** What an executor of the pod contract hands over. */
const contract = {
  model: 'models/tiny',
  servedModelName: 'tiny',
  quantization: 'none',
  maxModelLen: null,
  ropeTheta: null,
  cache: 'cache',
  parallelSequences: 2,
};
const env = (values: Record<string, string> = {}, changes: object = {}) => ({
  LONGPO_CONFIG: JSON.stringify({ ...contract, ...changes }),
  ...values,
});

const defaults = {
  threads: null,
  kvMemory: null,
  kvType: 'f32',
  maxQueuedTokens: null,
  promptLookup: false,
  prefixCache: null,
  apiKeyFile: null,
  vllmMetricNames: false,
  corsOrigins: [],
  maxBodyBytes: null,
  maxNewTokens: null,
  maxStops: 32,
  maxChoices: 16,
  drainSeconds: 25,
};

const configOf = (args: string[], values: Record<string, string> = {}) => {
  const given = readConfig(args, values);
  if (!('config' in given)) throw new Error('help was shown');
  return given.config;
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longpo-config-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the pod contract', () => {
  it('puts relative paths below the volume root and leaves absolute ones', () => {
    const values = { LONGPO_VOLUME_ROOT: '/volume', LONGPO_LISTEN: '[::1]:9000' };
    expect(configOf([], env(values, { cache: '/elsewhere' }))).toEqual({
      ...defaults,
      ...contract,
      model: '/volume/models/tiny',
      cache: '/elsewhere',
      listen: '[::1]:9000',
      host: '::1',
      port: 9000,
    });
  });

  it('listens on its port of all interfaces unless told otherwise', () => {
    expect(configOf([], env())).toMatchObject({ host: '0.0.0.0', port: 8000 });
  });
});

describe('a server by hand', () => {
  it('needs a model folder only', () => {
    expect(configOf(['/models/tiny'], { HOME: '/home/me' })).toEqual({
      ...defaults,
      model: '/models/tiny',
      servedModelName: 'tiny',
      quantization: 'int4',
      maxModelLen: null,
      ropeTheta: null,
      cache: '/home/me/.cache/longpo/weights',
      parallelSequences: 4,
      listen: '0.0.0.0:8000',
      host: '0.0.0.0',
      port: 8000,
    });
  });

  it('takes flags before variables, those before LONGPO_CONFIG, and that before the file', async () => {
    const file = join(folder, 'serve.json');
    await writeFile(
      file,
      JSON.stringify({ model: '/file', maxStops: 1, maxChoices: 1, threads: 1, kvMemory: '2GiB' }),
    );
    const values = {
      LONGPO_CONFIG: JSON.stringify({ model: '/contract', maxStops: 2, maxChoices: 2 }),
      LONGPO_SERVE_MODEL: '/variable',
      LONGPO_SERVE_MAX_STOPS: '3',
    };
    expect(configOf(['--config', file, '--model', '/flag'], values)).toMatchObject({
      model: '/flag',
      maxStops: 3,
      maxChoices: 2,
      threads: 1,
      kvMemory: 2 * 2 ** 30,
    });
  });

  it('reads switches, lists, sizes and numbers from text', () => {
    const args = [
      '/m',
      '--prompt-lookup',
      '--kv-memory',
      '1.5GiB',
      '--max-body-bytes=1000',
      '--rope-theta',
      '1e7',
    ];
    const values = { LONGPO_SERVE_CORS_ORIGINS: 'https://a.example, http://b.example:81' };
    expect(configOf(args, values)).toMatchObject({
      promptLookup: true,
      kvMemory: 1.5 * 2 ** 30,
      maxBodyBytes: 1000,
      ropeTheta: 1e7,
      corsOrigins: ['https://a.example', 'http://b.example:81'],
    });
    const off = configOf(['/m', '--no-prompt-lookup'], { LONGPO_SERVE_PROMPT_LOOKUP: 'true' });
    expect(off.promptLookup).toBe(false);
  });

  it('shows every setting on demand, and needs no model for that', () => {
    const shown = readConfig(['--help'], {});
    expect('help' in shown && shown.help).toMatch(
      /--model .*--kv-memory .*8GiB.*--cors-origins .*all\.\n.*--drain-seconds .*\[25\]/s,
    );
  });
});

it.each<[string[], Record<string, string>, string]>([
  [[], {}, '--model is not set; LONGPO_SERVE_MODEL and LONGPO_CONFIG can say it too'],
  [
    [],
    { LONGPO_CONFIG: '{' },
    "LONGPO_CONFIG is not JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
  ],
  [[], { LONGPO_CONFIG: '[]' }, 'LONGPO_CONFIG must be one JSON object'],
  [
    [],
    env({}, { quantization: 'int3' }),
    'LONGPO_CONFIG, quantization: Invalid option: expected one of "int4"|"int8"|"none"',
  ],
  [[], env({}, { extra: 1 }), 'LONGPO_CONFIG, the object: Unrecognized key: "extra"'],
  [[], env({ LONGPO_LISTEN: '8000' }), 'LONGPO_LISTEN: must be host:port, for instance 0.0.0.0:8000'],
  [
    [],
    env({ LONGPO_LISTEN: 'localhost:70000' }),
    'LONGPO_LISTEN: must be host:port, for instance 0.0.0.0:8000',
  ],
  [['/m', '--max-stops', '0'], {}, '--max-stops: Too small: expected number to be >0'],
  [['/m', '--threads', 'two'], {}, '--threads: Invalid input: expected number, received string'],
  [['/m', '--kv-memory', '8GB'], {}, '--kv-memory: must be bytes, or a size such as 8GiB'],
  [['/m', '--kv-memory', '0'], {}, '--kv-memory: Too small: expected number to be >0'],
  [
    ['/m'],
    { LONGPO_SERVE_PROMPT_LOOKUP: 'yes' },
    'LONGPO_SERVE_PROMPT_LOOKUP: Invalid input: expected boolean, received string',
  ],
  [
    ['/m', '--cors-origins', 'a.example'],
    {},
    '--cors-origins: must be * or an origin, for instance https://chat.example',
  ],
  [
    ['/m', '--kv-typ', 'int8'],
    {},
    expect.stringMatching(/^Unknown option '--kv-typ'.*--help lists the flags/),
  ],
  [['/m', '/n'], {}, "'/n' is one model folder too many (--help lists the flags)"],
  [
    ['/m', '--config', '/none.json'],
    {},
    expect.stringMatching(/^--config \/none.json cannot be read: ENOENT/),
  ],
])('%j and %j are refused by name', (args, values, message) => {
  expect(() => configOf(args, values)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }));
});

it('the termination log is optional', () => {
  expect([terminationLogOf({}), terminationLogOf({ LONGPO_TERMINATION_LOG: '/dev/x' })]).toEqual([
    undefined,
    '/dev/x',
  ]);
});
