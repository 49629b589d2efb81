/** What a training will need, stage by stage, before anything runs. Pure. */
import type { LongPOTrainingSpec, ModelFacts, TrainingStage } from '@longpo/api';
import { type Shape, shapeOf, shapeProblems } from '@longpo/controller';
import { packedRowFlops, type RowTokens, referenceFlops } from './flops.ts';
import { machineBytes, type RankMemory, rankMemory } from './memory.ts';

export interface Machine {
  device: 'cpu' | 'cuda';
  cores: number;
  /** Of the machine, or of one GPU. */
  memoryBytes: number;
}

export interface StagePlan extends Shape {
  name: string;
  contextLength: number;
  /** At most; undefined while only the documents, or the file that the user brings, know. */
  rows: number | undefined;
  /** Optimizer steps at most; undefined with the rows, unless maxSteps bounds them. */
  steps: number | undefined;
  /** Packed, at most. */
  tokensPerRow: number;
  rank: RankMemory;
  /** All processes: on a CPU they share the machine. */
  totalBytes: number;
  /** Reference and optimizer steps; undefined with the steps. */
  flops: number | undefined;
  seconds: number | undefined;
}

export interface TrainingPlan {
  model: ModelFacts;
  machine: Machine;
  stages: StagePlan[];
  problems: string[];
  warnings: string[];
}

/** Hardware FLOP/s that published runs reach on one H100 (training.md section 3: 450 to 500e12). */
export const gpuFlopsPerSecond = 450e12;
/** Measured, see README.md: f32 rows of SmolLM2-135M on three ranks over two cores with AVX2. */
export const coreFlopsPerSecond = 26e9;
/** Of one further question of a row with its role markers, at most (preferences/src/tasks.ts). */
const questionTokens = 128;
const warnShare = 0.9;

export function planTraining(spec: LongPOTrainingSpec, model: ModelFacts, machine: Machine): TrainingPlan {
  const stages = spec.stages.map((stage) => planStage(spec, stage, model, machine));
  const warnings = stages.flatMap((stage) => memoryWarning(stage, machine));
  return { model, machine, stages, problems: shapeProblems(spec, model), warnings };
}

export const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

function memoryWarning({ name, rank, totalBytes }: StagePlan, { device, memoryBytes }: Machine): string[] {
  const needed = device === 'cpu' ? totalBytes : rank.total;
  if (needed <= warnShare * memoryBytes) return [];
  const where = device === 'cpu' ? 'this machine has' : 'a GPU has';
  return [
    `stage ${name} needs about ${gib(needed)} GiB, ${where} ${gib(memoryBytes)}: ` +
      'lower contextLength, or raise parallelism.sequence (more ranks share a row and the weights)',
  ];
}

function planStage(
  spec: LongPOTrainingSpec,
  stage: TrainingStage,
  model: ModelFacts,
  { device, cores }: Machine,
): StagePlan {
  const shape = shapeOf(stage);
  const row = longestRow(spec, stage);
  const tokensPerRow = row.prompt + row.chosen + row.rejected;
  const counts = countSteps(spec, stage);
  const { sequence } = stage.parallelism;
  const rank = rankMemory(
    model,
    { packedTokens: tokensPerRow, sequence, worldSize: shape.worldSize },
    spec.train,
    device,
  );
  const flops = counts && stageFlops(spec, model, row, counts);
  const speed = device === 'cuda' ? gpuFlopsPerSecond * shape.worldSize : coreFlopsPerSecond * cores;
  return {
    name: stage.name,
    contextLength: stage.contextLength,
    ...shape,
    rows: counts?.rows,
    steps: counts?.steps,
    tokensPerRow,
    rank,
    totalBytes: machineBytes(rank, shape),
    flops,
    seconds: flops === undefined ? undefined : flops / speed,
  };
}

/** Both branches carry every turn of the row, and the longer one fills the context at most. */
function longestRow({ generate }: LongPOTrainingSpec, { contextLength }: TrainingStage): RowTokens {
  const turns = generate.chunksPerDocument;
  const wanted = turns * generate.answer.maxTokens + (turns - 1) * questionTokens;
  const answers = Math.min(wanted, Math.floor(contextLength / 2));
  return { prompt: contextLength - answers, chosen: answers, rejected: answers };
}

interface Counts {
  /** Undefined: only maxSteps is known. */
  rows: number | undefined;
  steps: number;
  /** Rows that the steps train on, each epoch's counted. */
  trained: number;
}

/** As the trainer's schedule counts: every epoch ends with the rows that are left. */
function countSteps({ train, generate }: LongPOTrainingSpec, stage: TrainingStage): Counts | undefined {
  const rows =
    stage.preferences === undefined && generate.maxDocuments > 0 ? generate.maxDocuments : undefined;
  const perStep = train.perDeviceTrainBatchSize * train.gradientAccumulationSteps * stage.parallelism.data;
  const limit = train.maxSteps || Number.POSITIVE_INFINITY;
  if (rows === undefined)
    return train.maxSteps ? { rows, steps: train.maxSteps, trained: train.maxSteps * perStep } : undefined;
  const steps = Math.min(Math.ceil(rows / perStep) * train.numTrainEpochs, limit);
  return { rows, steps, trained: Math.min(steps * perStep, rows * train.numTrainEpochs) };
}

function stageFlops(
  { generate }: LongPOTrainingSpec,
  model: ModelFacts,
  row: RowTokens,
  { rows, trained }: Counts,
): number {
  const { maxTokens } = generate.answer;
  const short = { prompt: generate.chunkTokens.max, chosen: maxTokens, rejected: maxTokens };
  const reference = generate.chunksPerDocument * referenceFlops(model, short);
  return trained * packedRowFlops(model, row) + (rows ?? trained) * reference;
}
