import { longpoTrainingSpec } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Machine } from './plan.ts';
import { planTraining } from './plan.ts';
import { mistral7b, smolLM2 } from './reference-models.fixture.ts';
import { renderPlan } from './render-plan.ts';

const laptop: Machine = { device: 'cpu', cores: 2, memoryBytes: 8 * 2 ** 30 };
const h100: Machine = { device: 'cuda', cores: 64, memoryBytes: 80e9 };

const base = { model: { uri: '/models/m' }, documents: { uri: '/documents' } };
const quickstart = longpoTrainingSpec.parse({
  ...base,
  generate: {
    maxDocuments: 4,
    chunksPerDocument: 2,
    chunkTokens: { min: 128, max: 512 },
    answer: { maxTokens: 96 },
  },
  train: { dtype: 'f32', gradientAccumulationSteps: 1, maxSteps: 3 },
  stages: [
    { name: '1k', contextLength: 1024, parallelism: { sequence: 3 } },
    { name: '2k', contextLength: 2048, parallelism: { sequence: 3 } },
  ],
});
const recipe = (maxDocuments: number) =>
  longpoTrainingSpec.parse({
    ...base,
    generate: { maxDocuments },
    stages: [
      { name: '128k', contextLength: 131_072, parallelism: { sequence: 8 } },
      { name: '512k', contextLength: 524_288, parallelism: { sequence: 16 } },
    ],
  });

const widest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));

describe('the plan', () => {
  it('of the quickstart names its ranks, rows, steps and tokens', () => {
    const { stages, problems } = planTraining(quickstart, smolLM2, laptop);
    const counted = stages.map(({ rank, totalBytes, flops, seconds, ...rest }) => rest);
    const shape = { worldSize: 3, processesPerPod: 3, pods: 1, rows: 4, steps: 3 };
    // Two answers of 96 and one further question of 128 follow the prompt, in two branches.
    expect(counted).toEqual([
      { name: '1k', contextLength: 1024, ...shape, tokensPerRow: 1024 + 320 },
      { name: '2k', contextLength: 2048, ...shape, tokensPerRow: 2048 + 320 },
    ]);
    expect(problems).toEqual([]);
  });

  it('counts steps as the trainer does: each epoch ends with the rows that are left', () => {
    const train = (settings: object, maxDocuments = 10) =>
      planTraining(
        longpoTrainingSpec.parse({
          ...base,
          generate: { maxDocuments },
          train: settings,
          stages: [{ name: 'a', contextLength: 16_384, parallelism: { data: 2 } }],
        }),
        smolLM2,
        laptop,
      ).stages.map(({ rows, steps }) => ({ rows, steps }));
    expect(train({ gradientAccumulationSteps: 2, numTrainEpochs: 3 })).toEqual([{ rows: 10, steps: 9 }]);
    expect(train({ gradientAccumulationSteps: 2, numTrainEpochs: 3, maxSteps: 5 })).toEqual([
      { rows: 10, steps: 5 },
    ]);
    expect(train({ maxSteps: 5 }, 0)).toEqual([{ rows: undefined, steps: 5 }]);
    expect(train({}, 0)).toEqual([{ rows: undefined, steps: undefined }]);
  });

  it('estimates the time of a row from the published 7.9 s a pair on 8 H100', () => {
    const [stage] = planTraining(recipe(800), mistral7b, h100).stages;
    const perRow = (stage?.seconds ?? 0) / 800;
    // Four answers of 1,024 and their reference make it dearer than a pair of 1,024.
    expect(perRow).toBeGreaterThan(7.9);
    expect(perRow).toBeLessThan(1.2 * 8.5);
  });

  it('gives the reference and the steps the rows that they really run', () => {
    const flops = (maxSteps: number) =>
      planTraining({ ...quickstart, train: { ...quickstart.train, maxSteps } }, smolLM2, laptop).stages[0]
        ?.flops ?? 0;
    const [two, three, all] = [flops(2), flops(3), flops(0)];
    expect(three - two).toBeCloseTo(all - three, -6);
    expect(two).toBeGreaterThan(2 * (three - two));
  });

  it('warns where the ranks of a CPU together, or one GPU, pass 90 % of the memory', () => {
    const machine = { ...laptop, memoryBytes: 4 * 2 ** 30 };
    expect(planTraining(quickstart, smolLM2, machine).warnings).toHaveLength(2);
    expect(planTraining(quickstart, smolLM2, { ...laptop, memoryBytes: 32 * 2 ** 30 }).warnings).toEqual([]);
    const [warning] = planTraining(recipe(0), mistral7b, { ...h100, memoryBytes: 24e9 }).warnings;
    expect(warning).toMatch(
      /^stage 128k needs about \d+\.\d GiB, a GPU has 22\.4: lower contextLength, or raise parallelism\.sequence/,
    );
  });

  it('repeats what the controller will refuse', () => {
    const { problems } = planTraining(
      {
        ...quickstart,
        stages: quickstart.stages.map((stage) => ({ ...stage, parallelism: { sequence: 12, data: 1 } })),
      },
      smolLM2,
      laptop,
    );
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(
      /^spec\.stages\[0\]\.parallelism\.sequence is 12, but the model has 9 query heads/,
    );
  });

  it('fits a terminal of 100 columns', () => {
    const plans = [
      renderPlan(planTraining(quickstart, smolLM2, laptop)),
      renderPlan(planTraining(recipe(45_000), mistral7b, h100)),
    ];
    expect(plans.map(widest).filter((width) => width > 100)).toEqual([]);
  });
});

describe('the rendered plan', () => {
  it('is a line of facts and a table', () => {
    const plan = planTraining(recipe(800), mistral7b, h100);
    expect(renderPlan(plan)).toMatchInlineSnapshot(`
      "Plan on GPUs of 74.5 GiB
      Model: MistralForCausalLM, 7.2B weights, 32 layers, 32 query and 8 KV heads, 32,768 positions
        stage  context  pods x ranks  rows    steps   tokens/row  peak memory   training
        -----  -------  ------------  ------  ------  ----------  ------------  --------
        128k   131,072  1 x 8         <= 800  <= 100  <= 135,552  25.5 GiB/GPU  ~ 1h59m
        512k   524,288  2 x 8         <= 800  <= 100  <= 528,768  28.9 GiB/GPU  ~ 11h11m"
    `);
  });

  it('says what nobody can know yet', () => {
    const text = renderPlan(planTraining(recipe(0), mistral7b, h100));
    expect(text.split('\n').at(-1)).toBe(
      'unknown: only the documents, or your preference file, tell the number of rows',
    );
    expect(text).toMatch(/128k .* unknown {2}unknown .* unknown\n/);
  });

  it('ends with problems and warnings', () => {
    const plan = planTraining(quickstart, smolLM2, laptop);
    const lines = renderPlan({ ...plan, problems: ['a'], warnings: ['b'] }).split('\n');
    expect(lines.slice(-2)).toEqual(['problem: a', 'warning: b']);
  });
});
