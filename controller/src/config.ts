/** The only reader of the controller's environment, arguments and config file. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { type ControllerConfig, controllerConfig } from './config/schema.ts';

export type { ControllerConfig } from './config/schema.ts';

/** A value that the operator cannot start with; the message is one line and names the field and the fix. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly exitCode = 2;
}

/** What a single start may change about the file: a flag wins over env, env over the file. */
const overrides = [
  { flag: 'report-base-url', env: 'LONGPO_REPORT_BASE_URL', path: ['reportBaseUrl'] },
  { flag: 'listen-progress', env: 'LONGPO_LISTEN_PROGRESS', path: ['listen', 'progress'] },
  { flag: 'listen-metrics', env: 'LONGPO_LISTEN_METRICS', path: ['listen', 'metrics'] },
  { flag: 'lease-namespace', env: 'POD_NAMESPACE', path: ['leaderElection', 'namespace'] },
  { flag: 'identity', env: 'POD_NAME', path: ['leaderElection', 'identity'] },
  { flag: 'log-level', env: 'LONGPO_LOG_LEVEL', path: ['logLevel'] },
] as const;

type Env = Readonly<Record<string, string | undefined>>;
type Json = Record<string, unknown>;

export type RunConfig = ControllerConfig & {
  leaderElection: { identity: string };
  /** Where the cluster is: not part of the file, which lies in the cluster. */
  connection: { kubeconfig: string | undefined; environment: Env };
};

/** The whole config, checked; `identity` is another one in each call. Throws ConfigError. */
export function readConfig(
  args: readonly string[] = process.argv.slice(2),
  env: Env = process.env,
): RunConfig {
  const flags = flagsOf(args);
  const file = flags.config ?? env.LONGPO_CONTROLLER_CONFIG;
  const given = file === undefined ? {} : readFile(file);
  for (const { flag, env: name, path } of overrides) {
    const value = flags[flag] ?? env[name];
    if (value !== undefined && value !== '') set(given, path, value);
  }
  const parsed = controllerConfig.safeParse(given);
  if (!parsed.success) throw new ConfigError(problemOf(parsed.error.issues[0], file));
  const { leaderElection } = parsed.data;
  // Whoever holds a lease is told apart by name alone, also from its predecessor in the same pod.
  const identity = `${leaderElection.identity ?? hostname()}-${randomBytes(4).toString('hex')}`;
  return {
    ...parsed.data,
    leaderElection: { ...leaderElection, identity },
    connection: { kubeconfig: flags.kubeconfig, environment: env },
  };
}

/** What is printed at the start: the environment may hold anything. */
export function printable({ connection: { kubeconfig }, ...config }: RunConfig): object {
  return { ...config, kubeconfig };
}

function flagsOf(args: readonly string[]): Record<string, string | undefined> {
  const names = ['config', 'kubeconfig', ...overrides.map(({ flag }) => flag)];
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    return parseArgs({ args: [...args], options, strict: true }).values as Record<string, string>;
  } catch (error) {
    const [problem] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/);
    throw new ConfigError(`${problem}: the flags are ${names.map((name) => `--${name}`).join(', ')}`);
  }
}

/** YAML, and so JSON. */
function readFile(path: string): Json {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const [problem] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ConfigError(`--config ${path} cannot be read: ${problem}`);
  }
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new ConfigError(`--config ${path} holds no fields: write "images:" and what is below it`);
  return value as Json;
}

function set(target: Json, path: readonly string[], value: string): void {
  const [first = '', ...rest] = path;
  if (rest.length === 0) target[first] = value;
  else {
    const inner = target[first];
    const copy: Json = typeof inner === 'object' && inner !== null ? { ...inner } : {};
    set(copy, rest, value);
    target[first] = copy;
  }
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Names where a value may come from, since the file is not the only place. */
function problemOf(issue: Issue | undefined, file: string | undefined): string {
  const path = (issue?.path ?? []).map(String);
  const override = overrides.find((candidate) => candidate.path.join('.') === path.join('.'));
  const places = [
    `in ${file ?? 'the file that --config names'}`,
    ...(override ? [`by --${override.flag}`, `by env ${override.env}`] : []),
  ];
  const field = path.join('.') || 'the config';
  return `${field}: ${issue?.message}; set it ${places.join(' or ')}`.replaceAll(/\s+/g, ' ');
}
