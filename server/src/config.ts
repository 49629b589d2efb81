/** The only reader of process.env of the serve role: its settings, and the names of the pod contract. */
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { podEnv } from '@longpo/api';
import { helpText } from './config/flags.ts';
import type { ServerSettings } from './config/settings.ts';
import { type Env, readSettings } from './config/sources.ts';

export interface ServerConfig extends ServerSettings {
  readonly servedModelName: string;
  readonly cache: string;
  readonly host: string;
  readonly port: number;
}

export const terminationLogOf = (env: Env = process.env): string | undefined => env[podEnv.terminationLog];

/** Text to show instead of serving, or what to serve. */
export function readConfig(
  args: readonly string[],
  env: Env = process.env,
): { readonly help: string } | { readonly config: ServerConfig } {
  const given = readSettings(env, args);
  if (given.help) return { help: helpText() };
  const settings = given.settings();
  const below = (path: string) => resolve(env[podEnv.volumeRoot] ?? '.', path);
  const belowIfSet = (path: string | null) => (path === null ? null : below(path));
  const model = below(settings.model);
  return {
    config: {
      ...settings,
      model,
      servedModelName: settings.servedModelName ?? basename(model),
      cache: belowIfSet(settings.cache) ?? userCache(env),
      prefixCache: belowIfSet(settings.prefixCache),
      apiKeyFile: belowIfSet(settings.apiKeyFile),
      ...addressOf(settings.listen),
    },
  };
}

const userCache = (env: Env): string =>
  join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'longpo', 'weights');

function addressOf(listen: string): { host: string; port: number } {
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(listen.slice(at + 1)) };
}
