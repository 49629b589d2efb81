/**
 * Shape of a model folder, for a plan before anything runs: config.json and the safetensors headers. The fetch role
 * reads the same facts by the same rules (trainer/longpo_trainer/model_folder.py).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelConfig, type ModelFacts, modelConfig } from '@longpo/api';
import { UserError } from '../errors.ts';
import { readTensorShapes } from './safetensors-header.ts';

const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';
const defaultRopeTheta = 10_000;

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new UserError('MODEL_INCOMPLETE', `${file} is missing: give a whole Hugging Face model folder`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(
      'MODEL_INVALID',
      `${file} is not JSON (${(error as Error).message}): download it again`,
    );
  }
}

function readConfig(folder: string): ModelConfig {
  const file = join(folder, 'config.json');
  const parsed = modelConfig.safeParse(readJson(file));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UserError(
    'MODEL_INVALID',
    `${file}: ${issue?.path.join('.')}: ${issue?.message}: give the folder of a decoder-only language model`,
  );
}

function weightFiles(folder: string): string[] {
  const index = join(folder, indexFile);
  if (!existsSync(index)) return [join(folder, singleFile)];
  const { weight_map: names = {} } = readJson(index) as { weight_map?: Record<string, string> };
  return [...new Set(Object.values(names))].toSorted().map((name) => join(folder, name));
}

/** Tied weights count once, whether or not the file repeats them. */
function countParameters(folder: string, tied: boolean): number {
  const files = weightFiles(folder);
  const missing = files.find((file) => !existsSync(file));
  if (missing !== undefined)
    throw new UserError('MODEL_INCOMPLETE', `${missing} is missing: download the model again`);
  return files
    .flatMap((file) => [...readTensorShapes(file)])
    .filter(([name]) => !(tied && name === 'lm_head.weight'))
    .reduce((sum, [, shape]) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

export function readModelFacts(folder: string): ModelFacts {
  const config = readConfig(folder);
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
