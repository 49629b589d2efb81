/** Flags, env, LONGPO_CONFIG and a file as one object, with the place where each value was said. */
import { readFileSync } from 'node:fs';
import { podEnv } from '@longpo/api';
import { type Flags, flagOf, parseFlags, valueOfText, variableOf } from './flags.ts';
import { type ServerSettings, type SettingName, serverSettings, settingNames } from './settings.ts';

/** Settings that do not make a server; the message names the flag, variable or file, the field and the rule. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
}

export type Env = Readonly<Record<string, string | undefined>>;

interface Source {
  readonly values: Readonly<Record<string, unknown>>;
  /** How a message calls a field of it. */
  label(field: string): string;
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function jsonSource(name: string, text: string): Source {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${name} is not JSON: ${reason(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(`${name} must be one JSON object`);
  const unknown = Object.keys(value).find((key) => !settingNames.some((known) => known === key));
  if (unknown !== undefined)
    throw new ConfigError(`${name}, the object: Unrecognized key: ${JSON.stringify(unknown)}`);
  return { values: { ...value }, label: (field) => `${name}, ${field}` };
}

function fileSource(file: string): Source {
  try {
    return jsonSource(file, readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`--config ${file} cannot be read: ${reason(error)}`);
  }
}

function flagsOf(args: readonly string[]): Flags {
  try {
    return parseFlags(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ConfigError(`${error.message} (--help lists the flags)`);
  }
}

function envValues(env: Env): Record<string, unknown> {
  return Object.fromEntries(
    settingNames.flatMap((name) => {
      const text = env[variableOf(name)];
      return text === undefined || text === '' ? [] : [[name, valueOfText(name, text)]];
    }),
  );
}

export interface GivenSettings {
  readonly help: boolean;
  /** Parsed on demand: who asks for help has no model. */
  settings(): ServerSettings;
}

export function readSettings(env: Env, args: readonly string[]): GivenSettings {
  const flags = flagsOf(args);
  return { help: flags.help, settings: () => parseSources(sourcesOf(env, flags)) };
}

/** The first one that has a field says what it is. */
function sourcesOf(env: Env, flags: Flags): Source[] {
  const file = flags.config ?? env[variableOf('config')];
  const contract = env[podEnv.config];
  return [
    { values: flags.values, label: flagOf },
    { values: envValues(env), label: variableOf },
    ...(contract === undefined ? [] : [jsonSource(podEnv.config, contract)]),
    ...(file === undefined || file === '' ? [] : [fileSource(file)]),
  ];
}

function parseSources(sources: readonly Source[]): ServerSettings {
  const merged = Object.assign({}, ...sources.toReversed().map(({ values }) => values));
  const parsed = serverSettings.safeParse(merged);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = String(issue?.path[0] ?? '') as SettingName;
  const source = sources.find(({ values }) => field in values);
  if (source === undefined)
    throw new ConfigError(
      `${flagOf(field)} is not set; ${variableOf(field)} and ${podEnv.config} can say it too`,
    );
  throw new ConfigError(`${source.label(field)}: ${issue?.message}`);
}
