/** Everything that can be set about a server, once: flags, env names, the config file and the help are read off it. */
import { serveConfig, servePort } from '@longpo/api';
import * as z from 'zod';

const path = z.string().min(1);
const units: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** 1073741824 and "1GiB" are the same. */
const bytes = z.union([z.int().positive(), z.string()]).transform((value, context) => {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([KMGT]iB)?$/.exec(String(value)) ?? [];
  const size = Math.floor(Number(digits) * (unit === undefined ? 1 : (units[unit] ?? Number.NaN)));
  if (size > 0) return size;
  context.addIssue({ code: 'custom', message: 'must be bytes, or a size such as 8GiB', input: value });
  return z.NEVER;
});

const address = z
  .string()
  .regex(/^.+:\d{1,5}$/, 'must be host:port, for instance 0.0.0.0:8000')
  .refine((text) => Number(text.split(':').at(-1)) <= 65_535, 'must be host:port, for instance 0.0.0.0:8000');

const origin = z
  .string()
  .regex(/^(\*|https?:\/\/[^/\s]+)$/, 'must be * or an origin, for instance https://chat.example');

const { quantization, maxModelLen, ropeTheta } = serveConfig.shape;

export const serverSettings = z.strictObject({
  model: path.describe('Hugging Face model folder or checkpoint; may stand without the flag.'),
  servedModelName: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("The model's name; its folder's if not set."),
  quantization: quantization.default('int4'),
  maxModelLen: maxModelLen.default(null),
  ropeTheta: ropeTheta.default(null).describe("Base of the rotary positions; the model's own if not set."),
  cache: path
    .nullable()
    .default(null)
    .describe('Folder for quantised weights; in the cache of the user if not set.'),
  parallelSequences: z.int().positive().default(4).describe('KV slots: requests that run at once.'),
  threads: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Of one run of the model; every core if not set.'),
  kvMemory: bytes
    .nullable()
    .default(null)
    .describe('Bytes for keys and values, such as 8GiB; all slots full if not set.'),
  kvType: z.enum(['f32', 'int8']).default('f32').describe('int8 takes a quarter of the memory and rounds.'),
  maxQueuedTokens: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Prompt tokens that may wait; then 429.'),
  promptLookup: z
    .boolean()
    .default(false)
    .describe('Guess tokens from the text so far and check several at once.'),
  prefixCache: path.nullable().default(null).describe('Folder where read prompts survive a restart.'),
  vllmMetricNames: z
    .boolean()
    .default(false)
    .describe('Series that vLLM has too appear under its names as well.'),
  listen: address.default(`0.0.0.0:${servePort}`).describe('host:port.'),
  apiKeyFile: path
    .nullable()
    .default(null)
    .describe('One key a line; read again when it changes. Open if not set.'),
  corsOrigins: z
    .array(origin)
    .default([])
    .describe('Web origins that may call, with commas between; * is all.'),
  maxBodyBytes: bytes
    .nullable()
    .default(null)
    .describe('Of a request; 16 a token of the context if not set.'),
  maxNewTokens: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('Of one answer; the context if not set.'),
  maxStops: z.int().positive().default(32).describe('Stop strings of a request.'),
  maxChoices: z.int().positive().default(16).describe('Answers to a prompt (n).'),
  drainSeconds: z.number().min(0).default(25).describe('After SIGTERM, for the answers that run.'),
});

export type ServerSettings = z.infer<typeof serverSettings>;
export type SettingName = keyof typeof serverSettings.shape;

export const settingNames = Object.keys(serverSettings.shape) as SettingName[];
