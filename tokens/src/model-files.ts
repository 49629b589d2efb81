/** The JSON files of a model folder, as far as tokens are concerned. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TokenizerError } from './tokenizer-error.ts';

export type Json = Record<string, unknown>;

export async function readOptional(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

function incomplete(folder: string, name: string, what: string, cause?: unknown): TokenizerError {
  const message = `${join(folder, name)} ${what}: download the model folder again`;
  return new TokenizerError('MODEL_INCOMPLETE', message, { cause });
}

function parseObject(folder: string, name: string, text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw incomplete(folder, name, 'is not JSON', error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw incomplete(folder, name, 'is not a JSON object');
  return value as Json;
}

export async function readRequired(folder: string, name: string): Promise<Json> {
  const text = await readOptional(folder, name);
  if (text === undefined) throw incomplete(folder, name, 'is missing');
  return parseObject(folder, name, text);
}

/** Ends of a turn. Instruct models name further ones in generation_config.json only. */
export async function readEosTokenIds(folder: string): Promise<number[]> {
  const ids = new Set<number>();
  for (const name of ['config.json', 'generation_config.json']) {
    const text = await readOptional(folder, name);
    const field = text === undefined ? undefined : parseObject(folder, name, text).eos_token_id;
    for (const id of [field].flat()) if (typeof id === 'number') ids.add(id);
  }
  return [...ids];
}
