/** The only reader of process.env of the generate role: the names of the pod contract. */
import { resolve } from 'node:path';
import { type GenerateConfig, generateConfig, podEnv } from '@longpo/api';
import { GenerateError } from './errors.ts';

export interface PodConfig {
  config: GenerateConfig;
  endpoint: string;
  apiKey: string;
  reportUrl: string | undefined;
  tokenFile: string | undefined;
  terminationLog: string | undefined;
  volumeRoot: string;
}

export const terminationLogOf = (env: NodeJS.ProcessEnv = process.env): string | undefined =>
  env[podEnv.terminationLog];

const invalid = (message: string) => new GenerateError('CONFIG_INVALID', message);

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    given,
  );
}

function parseConfig(text: string | undefined): GenerateConfig {
  if (!text) throw invalid(`${podEnv.config} is not set: give the config of the generate role as JSON`);
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw invalid(`${podEnv.config} is not JSON: ${(error as Error).message}`);
  }
  const { data, error } = generateConfig.safeParse(given);
  const issue = error?.issues[0];
  if (issue !== undefined || data === undefined) {
    const { path = [], message = 'invalid' } = issue ?? {};
    const field = path.length > 0 ? `${path.join('.')} (${JSON.stringify(valueAt(given, path))})` : 'config';
    throw invalid(`${podEnv.config}: ${field}: ${message}`);
  }
  const { min, max } = data.chunkTokens;
  if (min > max)
    throw invalid(`${podEnv.config}: chunkTokens.min (${min}): must not be above chunkTokens.max (${max})`);
  return data;
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): PodConfig {
  const volumeRoot = env[podEnv.volumeRoot] ?? '.';
  const config = parseConfig(env[podEnv.config]);
  const endpoint = env[podEnv.endpoint];
  if (!endpoint || !URL.canParse(endpoint))
    throw invalid(
      `${podEnv.endpoint} (${JSON.stringify(endpoint)}): must be the base URL of a server, with /v1`,
    );
  const below = (path: string) => resolve(volumeRoot, path);
  return {
    config: {
      ...config,
      tokenizer: below(config.tokenizer),
      documents: below(config.documents),
      directory: below(config.directory),
    },
    endpoint,
    apiKey: env.OPENAI_API_KEY || 'none',
    reportUrl: env[podEnv.reportUrl],
    tokenFile: env[podEnv.tokenFile],
    terminationLog: terminationLogOf(env),
    volumeRoot,
  };
}
