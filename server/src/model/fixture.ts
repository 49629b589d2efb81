/** Test fixture: a tiny random model folder, real in everything but its size and its sense. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { architectureOf } from './architecture.ts';
import type { Dtype } from './safetensors.ts';
import { expectedShapes } from './tensors.ts';

export interface FixtureOptions {
  /** The same seed gives the same bytes. */
  readonly seed?: number;
  readonly dtype?: Exclude<Dtype, 'U8'>;
  /** Files that the tensors are spread over. */
  readonly shards?: number;
  /** Overrides of config.json. */
  readonly config?: Readonly<Record<string, unknown>>;
}

const defaultConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 48,
  intermediate_size: 80,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 96,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_parameters: { rope_theta: 10_000, rope_type: 'default' },
  tie_word_embeddings: true,
  hidden_act: 'silu',
  attention_bias: false,
  eos_token_id: 0,
};

/** Writes config.json, tokenizer.json and the weights into `directory`, which it makes. */
export async function writeFixtureModel(directory: string, options: FixtureOptions = {}): Promise<void> {
  await mkdir(directory, { recursive: true });
  const config = { ...defaultConfig, ...options.config };
  await writeFile(join(directory, 'config.json'), JSON.stringify(config, null, 2));
  await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(tokenizer(config.vocab_size)));
  const gaussian = gaussians(options.seed ?? 1);
  const dtype = options.dtype ?? 'F32';
  const tensors = [...expectedShapes(architectureOf('config.json', config))].map(([name, shape]) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const values = Float32Array.from({ length: count }, () => gaussian() * deviation(name, shape));
    return {
      name,
      dtype,
      shape,
      bytes: encoded(name.endsWith('norm.weight') ? values.map((x) => 1 + x) : values, dtype),
    };
  });
  const shards = options.shards ?? 1;
  if (shards === 1) {
    await writeFile(join(directory, 'model.safetensors'), safetensors(tensors));
    return;
  }
  const fileOf = (i: number): string => `model-${(i % shards) + 1}-of-${shards}.safetensors`;
  for (let shard = 0; shard < shards; shard++) {
    const own = tensors.filter((_, i) => i % shards === shard);
    await writeFile(join(directory, fileOf(shard)), safetensors(own));
  }
  const weightMap = Object.fromEntries(tensors.map(({ name }, i) => [name, fileOf(i)]));
  await writeFile(
    join(directory, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: weightMap }),
  );
}

/** Keeps activations near 1; embeddings are small, or tied ones would echo the last token. */
function deviation(name: string, shape: readonly number[]): number {
  if (shape.length === 1) return 0.2;
  return name.includes('embed_tokens') ? 0.2 : (shape[1] ?? 1) ** -0.5;
}

function gaussians(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 1) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

interface StoredTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

function encoded(values: Float32Array, dtype: Exclude<Dtype, 'U8'>): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  const patterns = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(patterns, dtype === 'BF16' ? toBfloat16 : toFloat16).buffer);
}

const toBfloat16 = (pattern: number): number => pattern >>> 16;

/** Truncates; too small a magnitude becomes zero. */
function toFloat16(pattern: number): number {
  const exponent = ((pattern >>> 23) & 0xff) - 127 + 15;
  const sign = (pattern >>> 16) & 0x8000;
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((pattern >>> 13) & 0x3ff);
}

export function safetensors(tensors: readonly StoredTensor[]): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...tensors.map(({ bytes }) => bytes)]);
}

/** One word a token: "t0" to "t<n-1>". */
function tokenizer(vocabularySize: number): unknown {
  const vocab = Object.fromEntries(Array.from({ length: vocabularySize }, (_, id) => [`t${id}`, id]));
  return {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab, unk_token: 't0' },
  };
}
