/** Shape of a model folder, for a plan before anything runs: config.json and the safetensors headers. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelFacts, modelConfig } from '@longpo/api';
import { UserError } from '../errors.ts';

const headerLengthBytes = 8;
const defaultRopeTheta = 10_000;

interface TensorEntry {
  shape?: number[];
}

function readHeader(file: string): Record<string, TensorEntry> {
  const handle = openSync(file, 'r');
  try {
    const prefix = Buffer.alloc(headerLengthBytes);
    readSync(handle, prefix, 0, headerLengthBytes, 0);
    const text = Buffer.alloc(Number(prefix.readBigUInt64LE()));
    readSync(handle, text, 0, text.length, headerLengthBytes);
    return JSON.parse(text.toString()) as Record<string, TensorEntry>;
  } catch (error) {
    throw new UserError(
      'MODEL_TRUNCATED',
      `${file}: its safetensors header cannot be read (${(error as Error).message}): download it again`,
    );
  } finally {
    closeSync(handle);
  }
}

function countParameters(folder: string, tied: boolean): number {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  if (files.length === 0)
    throw new UserError(
      'MODEL_INCOMPLETE',
      `${join(folder, 'model.safetensors')} is missing: download the model again`,
    );
  return files
    .flatMap((name) => Object.entries(readHeader(join(folder, name))))
    .filter(([name]) => name !== '__metadata__' && !(tied && name === 'lm_head.weight'))
    .reduce((sum, [, { shape = [] }]) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

export function readModelFacts(folder: string): ModelFacts {
  let text: string;
  try {
    text = readFileSync(join(folder, 'config.json'), 'utf8');
  } catch {
    throw new UserError(
      'MODEL_INCOMPLETE',
      `${join(folder, 'config.json')} is missing: give a Hugging Face model folder`,
    );
  }
  const parsed = modelConfig.safeParse(JSON.parse(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new UserError(
      'MODEL_INVALID',
      `${join(folder, 'config.json')}: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  const config = parsed.data;
  return {
    architecture: config.architectures[0] ?? '',
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    attentionHeads: config.num_attention_heads,
    keyValueHeads: config.num_key_value_heads ?? config.num_attention_heads,
    headDim: config.head_dim ?? Math.floor(config.hidden_size / config.num_attention_heads),
    vocabularySize: config.vocab_size,
    maxPositionEmbeddings: config.max_position_embeddings,
    ropeTheta: config.rope_parameters?.rope_theta ?? config.rope_theta ?? defaultRopeTheta,
    parameters: countParameters(folder, config.tie_word_embeddings),
  };
}
