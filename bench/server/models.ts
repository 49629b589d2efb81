/** The models that are measured, each made once (models.py): the real one, a shape of 0.5B, one that reads 512K tokens. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../cli/src/config.ts';
import { prepareGguf } from '../../examples/quickstart/gguf.ts';
import { prepareModel } from '../../examples/quickstart/prepare.ts';

/** One model as each side reads it. */
export interface Contest {
  readonly name: string;
  /** Hugging Face folder. */
  readonly folder: string;
  /** GGUF files with 4 and 8 bits. */
  readonly q4: string;
  readonly q8: string;
}

const script = join(import.meta.dirname, 'models.py');

/** Qwen2.5-0.5B's, whose weights are not on a package registry: speed asks for shapes only. */
const qwen2Shape = {
  model_type: 'qwen2',
  architectures: ['Qwen2ForCausalLM'],
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  max_position_embeddings: 32_768 + 1024,
  rms_norm_eps: 1e-6,
  rope_parameters: { rope_type: 'default', rope_theta: 1_000_000 },
  tie_word_embeddings: true,
  vocab_size: 151_936,
  hidden_act: 'silu',
  use_sliding_window: false,
};

/** So narrow that an hour or two is enough for 512K tokens. */
export const longShape = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 128,
  intermediate_size: 384,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  head_dim: 64,
  max_position_embeddings: 524_288 + 1024,
  rms_norm_eps: 1e-6,
  rope_parameters: { rope_type: 'default', rope_theta: 10_000_000 },
  tie_word_embeddings: true,
  vocab_size: 49_152,
  hidden_act: 'silu',
};

export class BenchModels {
  /** SmolLM2-135M-Instruct. */
  readonly real: Contest;
  readonly #python: string;
  readonly #root: string;

  private constructor(root: string, python: string, { folder, gguf }: { folder: string; gguf: string }) {
    this.#python = python;
    this.#root = root;
    const file = (kind: string) => this.#make(`SmolLM2-135M.${kind}.gguf`, 'requantise', gguf, kind);
    this.real = { name: '135M', folder, q4: file('Q4_0'), q8: file('Q8_0') };
  }

  static async prepare(config: Config, python: string): Promise<BenchModels> {
    const root = join(config.cacheRoot, 'models', 'bench');
    mkdirSync(root, { recursive: true });
    const folder = await prepareModel(config, python);
    return new BenchModels(root, python, { folder, gguf: await prepareGguf(config, python) });
  }

  /** Qwen2.5-0.5B's shape with fewer layers where asked. */
  large(layers = qwen2Shape.num_hidden_layers): Contest {
    const name = `qwen2-896x${layers}`;
    const folder = this.#random(name, { ...qwen2Shape, num_hidden_layers: layers });
    const file = (kind: string) => this.#make(`${name}.${kind}.gguf`, 'gguf', folder, kind);
    return { name: layers < 24 ? name : '0.5B', folder, q4: file('Q4_0'), q8: file('Q8_0') };
  }

  long(): string {
    return this.#random('llama-128x1', longShape);
  }

  #random(name: string, shape: object): string {
    const config = join(this.#root, `${name}.json`);
    writeFileSync(config, JSON.stringify(shape));
    return this.#make(name, 'random', config, join(this.real.folder, 'tokenizer.json'));
  }

  #make(name: string, what: string, source: string, ...further: string[]): string {
    const target = join(this.#root, name);
    if (existsSync(target)) return target;
    process.stdout.write(`Making ${target}, once ...\n`);
    execFileSync(this.#python, [script, what, source, target, ...further], { stdio: 'pipe' });
    return target;
  }
}
