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

function parseConfig(text: string | undefined): GenerateConfig {
  let given: unknown;
  try {
    given = JSON.parse(text ?? '');
  } catch {
    throw new GenerateError('CONFIG_INVALID', `${podEnv.config} is not JSON`);
  }
  const parsed = generateConfig.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new GenerateError(
    'CONFIG_INVALID',
    `${podEnv.config}, ${issue?.path.join('.') || 'config'}: ${issue?.message}`,
  );
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): PodConfig {
  const volumeRoot = env[podEnv.volumeRoot] ?? '.';
  const config = parseConfig(env[podEnv.config]);
  const endpoint = env[podEnv.endpoint];
  if (!endpoint)
    throw new GenerateError('CONFIG_INVALID', `${podEnv.endpoint} is not set: give the base URL with /v1`);
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
