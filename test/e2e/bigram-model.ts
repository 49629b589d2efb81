/**
 * A model of half a million weights that speaks: its embedding and head are the bigrams of a text, with an attention
 * layer that leans a little on the context. It numbers its lines and writes words, so that the whole pipeline has
 * something to work on in seconds.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safetensors } from '../../server/src/model/fixture.ts';
import { byteTokenId, byteVocabularySize, writeByteTokenizer } from '../../tokens/src/fixture.ts';

const heads = 6;
const keyValueHeads = 3;
const headDim = 48;
const hidden = heads * headDim;
const intermediate = 64;
const layers = 2;
const endOfTurn = 2;

const text =
  'the old sailor told the crew about a storm that had broken the mast near the northern shore. they mended it with ' +
  'rope and timber from another ship. nobody slept until the wind had turned and the grey morning showed calm water. ' +
  'then the captain shared bread and asked who had first seen the light. ';

/** log p(next | current), smoothed; a line starts with "1. ", a sentence may end the turn. */
function bigramLogProbs(): number[][] {
  const counts = Array.from({ length: byteVocabularySize }, () =>
    new Array<number>(byteVocabularySize).fill(1e-4),
  );
  const add = (from: string, to: number, weight: number) => {
    const row = counts[byteTokenId(from.charCodeAt(0))];
    if (row) row[to] = (row[to] ?? 0) + weight;
  };
  for (let i = 0; i + 1 < text.length; i++) add(text[i] ?? '', byteTokenId(text.charCodeAt(i + 1)), 1);
  add('\n', byteTokenId('1'.charCodeAt(0)), 1000);
  add('1', byteTokenId('.'.charCodeAt(0)), 1000);
  add('.', endOfTurn, 1);
  return counts.map((row) => {
    const sum = row.reduce((total, count) => total + count, 0);
    return row.map((count) => Math.log(count / sum));
  });
}

/** Small deterministic noise: the same model every time. */
function noise(count: number, scale: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  });
}

interface Tensor {
  name: string;
  dtype: 'F32';
  shape: number[];
  bytes: Uint8Array;
}

function tensor(name: string, shape: number[], values: Float32Array): Tensor {
  return { name, dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
}

function embeddingAndHead(): Tensor[] {
  const embedding = new Float32Array(byteVocabularySize * hidden);
  const head = new Float32Array(byteVocabularySize * hidden);
  const scale = Math.sqrt(hidden); // what RMSNorm makes of a one-hot vector
  for (const [current, row] of bigramLogProbs().entries()) {
    embedding[current * hidden + current] = 1;
    for (const [next, logProb] of row.entries()) head[next * hidden + current] = logProb / scale;
  }
  const shape = [byteVocabularySize, hidden];
  return [tensor('model.embed_tokens.weight', shape, embedding), tensor('lm_head.weight', shape, head)];
}

function layer(n: number): Tensor[] {
  const prefix = `model.layers.${n}.`;
  const matrix = (name: string, rows: number, columns: number, scale: number, seed: number) =>
    tensor(`${prefix}${name}.weight`, [rows, columns], noise(rows * columns, scale, 100 * n + seed));
  const ones = (name: string) =>
    tensor(`${prefix}${name}.weight`, [hidden], new Float32Array(hidden).fill(1));
  return [
    ones('input_layernorm'),
    ones('post_attention_layernorm'),
    matrix('self_attn.q_proj', heads * headDim, hidden, 0.05, 1),
    matrix('self_attn.k_proj', keyValueHeads * headDim, hidden, 0.05, 2),
    matrix('self_attn.v_proj', keyValueHeads * headDim, hidden, 0.05, 3),
    matrix('self_attn.o_proj', hidden, heads * headDim, 0.002, 4),
    matrix('mlp.gate_proj', intermediate, hidden, 0.02, 5),
    matrix('mlp.up_proj', intermediate, hidden, 0.02, 6),
    matrix('mlp.down_proj', hidden, intermediate, 0.002, 7),
  ];
}

export async function writeBigramModel(folder: string): Promise<void> {
  await writeByteTokenizer(folder);
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    vocab_size: byteVocabularySize,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10_000, rope_type: 'default' },
    tie_word_embeddings: false,
    hidden_act: 'silu',
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: endOfTurn,
    pad_token_id: endOfTurn,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config, null, 2));
  const norm = tensor('model.norm.weight', [hidden], new Float32Array(hidden).fill(1));
  const tensors = [...embeddingAndHead(), ...Array.from({ length: layers }, (_, n) => layer(n)).flat(), norm];
  await writeFile(join(folder, 'model.safetensors'), safetensors(tensors));
}
