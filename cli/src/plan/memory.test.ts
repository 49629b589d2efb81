import { describe, expect, it } from 'vitest';
import { embeddingCopies, type MemorySettings, machineBytes, rankMemory } from './memory.ts';
import { mistral7b, qwen3, qwen25, smolLM2 } from './reference-models.fixture.ts';

const answer = 1024;
const gpu: MemorySettings = { dtype: 'bf16', optim: 'rmsprop', gradientCheckpointing: true };

function gigabytes(model: typeof mistral7b, prompt: number, sequence: number, settings = gpu): number {
  const shape = { packedTokens: prompt + 2 * answer, sequence, worldSize: 8 };
  return rankMemory(model, shape, settings, 'cuda').total / 1e9;
}

describe('peak memory of a rank', () => {
  // training.md section 2, column "shared, chunked", 8 GPUs.
  it.each([
    ['Mistral-7B', mistral7b, 131_072, 8, 27],
    ['Mistral-7B', mistral7b, 262_144, 8, 36],
    ['Mistral-7B', mistral7b, 524_288, 8, 55],
    ['Qwen2.5-7B', qwen25, 131_072, 4, 41],
    ['Qwen2.5-7B', qwen25, 262_144, 4, 59],
    ['Qwen2.5-7B', qwen25, 524_288, 4, 94],
    ['Qwen3-8B', qwen3, 131_072, 8, 34],
    ['Qwen3-8B', qwen3, 262_144, 8, 44],
    ['Qwen3-8B', qwen3, 524_288, 8, 64],
  ])('of %s is the published one within 10 %%: %#', (_, model, prompt, sequence, published) => {
    expect(Math.abs(gigabytes(model, prompt, sequence) / published - 1)).toBeLessThan(0.1);
  });

  it('of Mistral-7B at 512K is made of the published parts', () => {
    const shape = { packedTokens: 524_288 + 2 * answer, sequence: 8, worldSize: 8 };
    const { states, gathered, checkpoints, working } = rankMemory(mistral7b, shape, gpu, 'cuda');
    const rounded = [states, gathered, checkpoints, working].map((bytes) => (bytes / 1e9).toFixed(1));
    // The published layer of 17.7 with 0.5 of inputs and outputs.
    expect(rounded).toEqual(['10.9', '3.5', '17.2', '18.2']);
  });

  // Proportional set sizes of three ranks and their launcher in MiB (README.md).
  it.each([
    [771, 7245],
    [1255, 6637],
    [1866, 7346],
  ])('on a CPU with %i packed tokens is the measured one within 10 %%', (packedTokens, measured) => {
    const shape = { packedTokens, sequence: 3, worldSize: 3, pods: 1 };
    const rank = rankMemory(smolLM2, shape, { ...gpu, dtype: 'f32' }, 'cpu');
    expect(Math.abs(machineBytes(rank, shape) / 2 ** 20 / measured - 1)).toBeLessThan(0.1);
  });

  it('grows by 4 bytes a weight and rank with AdamW', () => {
    const more =
      gigabytes(mistral7b, 131_072, 8, { ...gpu, optim: 'adamw' }) - gigabytes(mistral7b, 131_072, 8);
    expect(more).toBeCloseTo((1.05 * 4 * mistral7b.parameters) / 8 / 1e9, 6);
  });

  it('is dominated by the layers without gradient checkpointing', () => {
    const kept = gigabytes(mistral7b, 131_072, 8, { ...gpu, gradientCheckpointing: false });
    expect(kept).toBeGreaterThan(5 * gigabytes(mistral7b, 131_072, 8));
  });

  it('counts tied embeddings once', () => {
    expect([mistral7b, qwen25, qwen3, smolLM2].map(embeddingCopies)).toEqual([2, 2, 2, 1]);
  });
});
