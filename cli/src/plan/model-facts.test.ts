import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { readModelFacts } from './model-facts.ts';

const config = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 32,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};

/** A safetensors file with one f32 tensor a name. */
function writeTensors(file: string, shapes: Record<string, number[]>): void {
  let offset = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = offset;
    offset += 4 * shape.reduce((product, size) => product * size, 1);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }];
  });
  const header = Buffer.from(
    JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(file, Buffer.concat([length, header, Buffer.alloc(offset)]));
}

let folder = '';
const at = (name: string) => join(folder, name);
const write = (name: string, value: unknown) => writeFileSync(at(name), JSON.stringify(value));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-model-'));
  mkdirSync(folder, { recursive: true });
  write('config.json', config);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function problem(): { code: string; message: string } {
  try {
    readModelFacts(folder);
  } catch (error) {
    if (error instanceof UserError)
      return { code: error.code, message: error.message.replaceAll(folder, '') };
    throw error;
  }
  return { code: '', message: '' };
}

describe('the facts of a model folder', () => {
  it('come from config.json and the headers, tied weights once, absent fields filled as transformers does', () => {
    writeTensors(at('model.safetensors'), {
      'model.embed_tokens.weight': [32, 8],
      'lm_head.weight': [32, 8],
    });
    expect(readModelFacts(folder)).toEqual({
      architecture: 'LlamaForCausalLM',
      layers: 1,
      hiddenSize: 8,
      intermediateSize: 16,
      attentionHeads: 2,
      keyValueHeads: 2,
      headDim: 4,
      vocabularySize: 32,
      maxPositionEmbeddings: 128,
      ropeTheta: 10_000,
      parameters: 256,
    });
  });

  it('sum the files that the index names, and no other', () => {
    write('config.json', { ...config, tie_word_embeddings: false, rope_parameters: { rope_theta: 1e6 } });
    write('model.safetensors.index.json', { weight_map: { a: 'one.safetensors', b: 'two.safetensors' } });
    writeTensors(at('one.safetensors'), { a: [2, 3] });
    writeTensors(at('two.safetensors'), { b: [5], 'lm_head.weight': [32, 8] });
    writeTensors(at('consolidated.safetensors'), { a: [1000] });
    const { parameters, ropeTheta } = readModelFacts(folder);
    expect({ parameters, ropeTheta }).toEqual({ parameters: 6 + 5 + 256, ropeTheta: 1e6 });
  });

  it('need every file that is named', () => {
    expect(problem()).toEqual({
      code: 'MODEL_INCOMPLETE',
      message: '/model.safetensors is missing: download the model again',
    });
    rmSync(at('config.json'));
    expect(problem()).toEqual({
      code: 'MODEL_INCOMPLETE',
      message: '/config.json is missing: give a whole Hugging Face model folder',
    });
  });

  it('are refused from a file that was cut off, in the data or in the header', () => {
    writeTensors(at('model.safetensors'), { a: [100] });
    truncateSync(at('model.safetensors'), 300);
    expect(problem().code).toBe('MODEL_TRUNCATED');
    expect(problem().message).toMatch(
      /^\/model\.safetensors has 300 bytes, its header describes \d+: download/,
    );
    truncateSync(at('model.safetensors'), 20);
    expect(problem()).toEqual({
      code: 'MODEL_TRUNCATED',
      message: '/model.safetensors: its safetensors header cannot be read: download the file again',
    });
    truncateSync(at('model.safetensors'), 3);
    expect(problem().code).toBe('MODEL_TRUNCATED');
  });

  it('name the field of config.json that is wrong, and a file that is not JSON', () => {
    write('config.json', { ...config, num_attention_heads: 0 });
    expect(problem().code).toBe('MODEL_INVALID');
    expect(problem().message).toMatch(/^\/config\.json: num_attention_heads: .*: give the folder/);
    writeFileSync(at('config.json'), '{"architectures": [');
    expect(problem().message).toMatch(/^\/config\.json is not JSON \(.*\): download it again$/);
  });
});
