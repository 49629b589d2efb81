/** The only reader of process.env in the command line. */
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Config {
  /** Where downloads and the Python environment are kept between runs. */
  cacheRoot: string;
  /** Further arguments for pip, for instance an index with CPU-only wheels. */
  pipArgs: string[];
  /** Python to use instead of the one on PATH. */
  python: string | undefined;
  ci: boolean;
  path: string;
  /** Env that pods of the local cluster get beside their own: what a user sets for tools, never all of it. */
  passedOn: Record<string, string>;
}

const passedOnNames = [
  'HOME',
  'LANG',
  'TMPDIR',
  'HF_TOKEN',
  'HF_ENDPOINT',
  'HF_HUB_OFFLINE',
  'OPENAI_API_KEY',
  'OMP_NUM_THREADS',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'WANDB_API_KEY',
  'WANDB_MODE',
];

function cacheRootOf(env: NodeJS.ProcessEnv): string {
  if (env.LONGPO_CACHE) return env.LONGPO_CACHE;
  // Root's home is closed to other users; pods that run as another user must be able to read the cache.
  if (process.getuid?.() === 0) return '/var/cache/longpo';
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'longpo');
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const passedOn = passedOnNames.flatMap((name): [string, string][] =>
    env[name] ? [[name, env[name]]] : [],
  );
  return {
    cacheRoot: cacheRootOf(env),
    pipArgs: (env.LONGPO_PIP_ARGS ?? '').split(/\s+/).filter((part) => part !== ''),
    python: env.LONGPO_PYTHON,
    ci: env.CI === 'true' || env.CI === '1',
    path: env.PATH ?? ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
    passedOn: Object.fromEntries(passedOn),
  };
}
