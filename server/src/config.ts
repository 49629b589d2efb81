/** The only reader of process.env of the serve role: the names of the pod contract. */
import { resolve } from 'node:path';
import { podEnv, type ServeConfig, serveConfig, servePort } from '@longpo/api';

export interface PodConfig {
  readonly config: ServeConfig;
  readonly host: string;
  readonly port: number;
}

/** An environment that does not hold the pod contract; the message names the variable, the field and the rule. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
}

type Env = Readonly<Record<string, string | undefined>>;

export const terminationLogOf = (env: Env = process.env): string | undefined => env[podEnv.terminationLog];

export function readConfig(env: Env = process.env): PodConfig {
  const config = serveConfigOf(env);
  const below = (path: string) => resolve(env[podEnv.volumeRoot] ?? '.', path);
  return {
    config: { ...config, model: below(config.model), cache: below(config.cache) },
    ...addressOf(env[podEnv.listen] ?? `0.0.0.0:${servePort}`),
  };
}

function serveConfigOf(env: Env): ServeConfig {
  const text = env[podEnv.config];
  if (text === undefined)
    throw new ConfigError(
      `${podEnv.config} is not set: it takes the config of the serve role, one JSON object`,
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${podEnv.config} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  const parsed = serveConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ConfigError(`${podEnv.config}, ${issue?.path.join('.') || 'the object'}: ${issue?.message}`);
}

const maxPort = 65_535;

function addressOf(listen: string): { host: string; port: number } {
  const [, host, digits] = /^(.+):(\d+)$/.exec(listen) ?? [];
  const port = Number(digits);
  if (host === undefined || port > maxPort)
    throw new ConfigError(`${podEnv.listen} is "${listen}": it must be host:port, for instance 0.0.0.0:8000`);
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
}
