/** The only reader of process.env of the serve role: the names of the pod contract. */
import { resolve } from 'node:path';
import { podEnv, type ServeConfig, serveConfig, servePort } from '@longpo/api';
import { ModelError } from './model/model-error.ts';

export interface PodConfig {
  config: ServeConfig;
  host: string;
  port: number;
}

export const terminationLogOf = (env: NodeJS.ProcessEnv = process.env): string | undefined =>
  env[podEnv.terminationLog];

export function readConfig(env: NodeJS.ProcessEnv = process.env): PodConfig {
  const parsed = serveConfig.safeParse(parseJson(env[podEnv.config] ?? ''));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ModelError(
      'MODEL_INVALID',
      `${podEnv.config}, ${issue?.path.join('.') || 'config'}: ${issue?.message}`,
    );
  }
  const below = (path: string) => resolve(env[podEnv.volumeRoot] ?? '.', path);
  const listen = /^(.+):(\d+)$/.exec(env[podEnv.listen] ?? `0.0.0.0:${servePort}`);
  return {
    config: { ...parsed.data, model: below(parsed.data.model), cache: below(parsed.data.cache) },
    host: listen?.[1] ?? '0.0.0.0',
    port: Number(listen?.[2] ?? servePort),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
