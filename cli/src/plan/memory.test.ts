import { describe, expect, it } from 'vitest';
import { embeddingCopies, type MemorySettings, machineBytes, rankMemory } from './memory.ts';
import { mistral7b, qwen3, qwen25, smolLM2 } from './reference-models.fixture.ts';

const answer = 1024;
const gpu: MemorySettings = {
  dtype: 'bf16',
  optim: 'rmsprop',
  gradientCheckpointing: true,
  gradientCheckpointingLayers: 1,
  gradientCheckpointingOffload: false,
  tiledMlpShards: 1,
};

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

  // The next two columns: the inputs of layers on the host, and MLPs in 8 parts besides.
  it.each([
    ['Mistral-7B', mistral7b, 131_072, 8, 22, 20],
    ['Mistral-7B', mistral7b, 524_288, 8, 37, 26],
    ['Qwen2.5-7B', qwen25, 131_072, 4, 34, 27],
    ['Qwen2.5-7B', qwen25, 524_288, 4, 67, 39],
    ['Qwen3-8B', qwen3, 131_072, 8, 29, 27],
    ['Qwen3-8B', qwen3, 524_288, 8, 43, 35],
  ])(
    // The published tiles are of stock attention; the trainer's packed layer was measured to need more.
    'of %s with less on the card is the published one within 10 %%, in tiles within 17 %%: %#',
    (_, model, prompt, sequence, host, parts) => {
      const offload = { ...gpu, gradientCheckpointingOffload: true };
      expect(Math.abs(gigabytes(model, prompt, sequence, offload) / host - 1)).toBeLessThan(0.1);
      const tiled = gigabytes(model, prompt, sequence, { ...offload, tiledMlpShards: 8 });
      expect(Math.abs(tiled / parts - 1)).toBeLessThan(0.17);
    },
  );

  it('of groups of layers has fewer inputs, and more layers at once', () => {
    const shape = { packedTokens: 131_072, sequence: 8, worldSize: 8 };
    const [one, four] = [1, 4].map((layers) =>
      rankMemory(mistral7b, shape, { ...gpu, gradientCheckpointingLayers: layers }, 'cuda'),
    );
    expect(four?.checkpoints).toBe((one?.checkpoints ?? 0) / 4);
    expect(four?.working).toBeGreaterThan(3.5 * (one?.working ?? 0));
    expect(four?.gathered).toBeGreaterThan(one?.gathered ?? 0);
  });

  it('of Mistral-7B at 512K is made of the published parts', () => {
    const shape = { packedTokens: 524_288 + 2 * answer, sequence: 8, worldSize: 8 };
    const { states, gathered, checkpoints, working } = rankMemory(mistral7b, shape, gpu, 'cuda');
    const rounded = [states, gathered, checkpoints, working].map((bytes) => (bytes / 1e9).toFixed(1));
    // The published layer of 17.7, 0.8 of the packed row's copies, 0.5 of inputs and outputs.
    expect(rounded).toEqual(['10.9', '3.5', '17.2', '19.0']);
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
