/** Ranks and pods of a stage, and whether the model can be split that way. Pure. */
import type { LongPOTrainingSpec, ModelFacts, TrainingStage } from '@longpo/api';

export interface Shape {
  worldSize: number;
  processesPerPod: number;
  pods: number;
}

/** GPUs of a common node; beyond that a stage spreads over pods. */
const mostProcessesPerPod = 8;

/** As many ranks as fit one pod such that all pods hold the same number: 12 ranks are two pods of 6. */
function defaultProcessesPerPod(worldSize: number): number {
  let processes = Math.min(worldSize, mostProcessesPerPod);
  while (worldSize % processes !== 0) processes--;
  return processes;
}

export function shapeOf({ parallelism }: TrainingStage): Shape {
  const worldSize = parallelism.sequence * parallelism.data;
  const processesPerPod = parallelism.processesPerPod ?? defaultProcessesPerPod(worldSize);
  return { worldSize, processesPerPod, pods: Math.ceil(worldSize / processesPerPod) };
}

/** Why a Job was ended whose ranks no longer are what the spec asks for; another attempt follows. */
export const shapeChanged = 'ShapeChanged';

/** <sequence>x<data>/<ranks in a pod>, as it stands on a train Job: another shape needs another Job. */
export function shapeText(stage: TrainingStage): string {
  const { sequence, data } = stage.parallelism;
  return `${sequence}x${data}/${shapeOf(stage).processesPerPod}`;
}

/** Problems that only the model's shape reveals; each names the field, the value, the rule and the fix. */
export function shapeProblems(spec: LongPOTrainingSpec, model: ModelFacts): string[] {
  const problems: string[] = [];
  for (const [i, stage] of spec.stages.entries()) {
    const field = `spec.stages[${i}].parallelism`;
    const { sequence } = stage.parallelism;
    const { worldSize, processesPerPod } = shapeOf(stage);
    if (sequence > model.attentionHeads)
      problems.push(
        `${field}.sequence is ${sequence}, but the model has ${model.attentionHeads} query heads and Ulysses splits heads: ` +
          `use 1 to ${model.attentionHeads}`,
      );
    if (worldSize % processesPerPod !== 0)
      problems.push(
        `${field}.processesPerPod is ${processesPerPod}, but sequence x data = ${worldSize} ranks do not divide by it: ` +
          `use a divisor of ${worldSize}`,
      );
  }
  return problems;
}
