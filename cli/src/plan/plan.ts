/** What a training will need, stage by stage, before anything runs. Pure. */
import type { LongPOTrainingSpec, ModelFacts, TrainingStage } from '@longpo/api';
import { type Shape, shapeOf, shapeProblems } from '@longpo/controller';
import { packedRowFlops } from './flops.ts';
import { peakBytesPerRank } from './memory.ts';

export interface Machine {
  device: 'cpu' | 'cuda';
  cores: number;
  /** Of the machine, or of one GPU. */
  memoryBytes: number;
}

export interface StagePlan extends Shape {
  name: string;
  contextLength: number;
  /** Undefined while only the documents know. */
  rows: number | undefined;
  steps: number | undefined;
  packedTokens: number;
  rankBytes: number;
  /** On a CPU all ranks share the machine. */
  totalBytes: number;
  /** Training only; undefined with the steps. */
  seconds: number | undefined;
}

export interface TrainingPlan {
  model: ModelFacts;
  machine: Machine;
  stages: StagePlan[];
  problems: string[];
  warnings: string[];
}

/** Hardware FLOP/s of one H100 that published runs reach (training.md section 3). */
const gpuFlops = 450e12;
/** Measured: f32 rows of SmolLM2-135M at 1,024 and 2,048 tokens on three ranks over two cores without VNNI. */
const coreFlops = 30e9;
const warnShare = 0.9;

export function planTraining(spec: LongPOTrainingSpec, model: ModelFacts, machine: Machine): TrainingPlan {
  const stages = spec.stages.map((stage) => planStage(spec, stage, model, machine));
  const warnings = stages.flatMap(({ name, totalBytes, rankBytes }) => {
    const needed = machine.device === 'cpu' ? totalBytes : rankBytes;
    if (needed <= warnShare * machine.memoryBytes) return [];
    return [
      `stage ${name} needs about ${gib(needed)} GiB, there are ${gib(machine.memoryBytes)}: more ranks share the weights, a shorter context the rest`,
    ];
  });
  return { model, machine, stages, problems: shapeProblems(spec, model), warnings };
}

export const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

function planStage(
  spec: LongPOTrainingSpec,
  stage: TrainingStage,
  model: ModelFacts,
  machine: Machine,
): StagePlan {
  const { train, generate } = spec;
  const shape = shapeOf(stage);
  const answers = generate.chunksPerDocument * generate.answer.maxTokens;
  const prompt = Math.max(stage.contextLength - answers, 1);
  const row = { prompt, chosen: answers, rejected: answers };
  const packedTokens = prompt + 2 * answers;
  const rows =
    stage.preferences === undefined && generate.maxDocuments > 0 ? generate.maxDocuments : undefined;
  const perStep = train.perDeviceTrainBatchSize * train.gradientAccumulationSteps * stage.parallelism.data;
  const steps = stepsOf(rows, perStep, train.numTrainEpochs, train.maxSteps);
  const rankBytes = peakBytesPerRank(
    model,
    { packedTokens, sequence: stage.parallelism.sequence, worldSize: shape.worldSize },
    train,
    machine.device,
  );
  const flopsPerSecond = machine.device === 'cuda' ? gpuFlops * shape.worldSize : coreFlops * machine.cores;
  return {
    name: stage.name,
    contextLength: stage.contextLength,
    ...shape,
    rows,
    steps,
    packedTokens,
    rankBytes,
    totalBytes: rankBytes * shape.worldSize,
    seconds:
      steps === undefined ? undefined : (steps * perStep * packedRowFlops(model, row)) / flopsPerSecond,
  };
}

function stepsOf(
  rows: number | undefined,
  perStep: number,
  epochs: number,
  maxSteps: number,
): number | undefined {
  const all = rows === undefined ? undefined : Math.ceil((rows * epochs) / perStep);
  if (maxSteps === 0) return all;
  return all === undefined ? maxSteps : Math.min(all, maxSteps);
}
