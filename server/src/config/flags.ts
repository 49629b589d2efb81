/** A setting by its three names, and the text of a flag or variable as a value for the schema. */
import { parseArgs } from 'node:util';
import { podEnv } from '@longpo/api';
import * as z from 'zod';
import { type SettingName, serverSettings, settingNames } from './settings.ts';

export const flagOf = (name: string): string =>
  `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

export const variableOf = (name: string): string =>
  // The pod contract has this one.
  name === 'listen'
    ? podEnv.listen
    : `LONGPO_SERVE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

interface JsonSchema {
  readonly type?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly description?: string;
  readonly default?: unknown;
}

const properties = z.toJSONSchema(serverSettings, { io: 'input' }).properties as Record<
  SettingName,
  JsonSchema
>;

const typesOf = ({ type, anyOf }: JsonSchema): string[] =>
  anyOf ? anyOf.flatMap(typesOf) : type === undefined ? [] : [type];

const isSwitch = (name: SettingName): boolean => typesOf(properties[name]).includes('boolean');

/** What is no number stays text, which the schema then refuses by its own words. */
export function valueOfText(name: SettingName, text: string): unknown {
  const types = typesOf(properties[name]);
  if (types.includes('array')) return text.split(',').map((part) => part.trim());
  if (types.includes('boolean')) return text === 'true' ? true : text === 'false' ? false : text;
  const isNumber = types.includes('integer') || types.includes('number');
  return isNumber && text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

export interface Flags {
  readonly help: boolean;
  /** Path of a config file. */
  readonly config: string | undefined;
  readonly values: Partial<Record<SettingName, unknown>>;
}

/** Throws a TypeError that names the flag which is unknown or lacks its value. */
export function parseFlags(args: readonly string[]): Flags {
  const options = Object.fromEntries(
    settingNames.map((name) => [
      flagOf(name).slice(2),
      { type: isSwitch(name) ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      ...options,
      config: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    } as Record<string, { type: 'boolean' | 'string'; short?: string }>,
    allowPositionals: true,
    allowNegative: true,
  });
  if (positionals.length > 1) throw new TypeError(`'${positionals[1]}' is one model folder too many`);
  const given = settingNames.flatMap((name): [string, unknown][] => {
    const value = values[flagOf(name).slice(2)] ?? (name === 'model' ? positionals[0] : undefined);
    return value === undefined ? [] : [[name, typeof value === 'string' ? valueOfText(name, value) : value]];
  });
  return {
    help: values.help === true,
    config: typeof values.config === 'string' ? values.config : undefined,
    values: Object.fromEntries(given),
  };
}

export function helpText(): string {
  const lines = settingNames.map((name) => {
    const { description = '', default: byDefault } = properties[name];
    const shown = [byDefault ?? []].flat().length === 0 ? '' : ` [${byDefault}]`;
    return `  ${flagOf(name).padEnd(22)} ${description}${shown}`;
  });
  return [
    'longpo-serve [MODEL] [--flag value ...]: serve a model folder behind an OpenAI-compatible endpoint.',
    '',
    ...lines,
    `  ${'--config'.padEnd(22)} JSON file with the same settings in camelCase.`,
    '',
    `Each is also a variable, for instance ${variableOf('maxModelLen')}. Flags win over variables, those over`,
    `${podEnv.config} (one JSON object), that over the file.`,
    '',
  ].join('\n');
}
