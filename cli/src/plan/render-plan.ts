/** The plan as a table for a terminal. Pure. */
import { table } from '../live/table.ts';
import { duration } from '../live/units.ts';
import { gib, type StagePlan, type TrainingPlan } from './plan.ts';

const whole = (value: number): string => value.toLocaleString('en-US');
const unknown = '?';

function rowOf(stage: StagePlan, device: 'cpu' | 'cuda'): string[] {
  const peak = device === 'cpu' ? `${gib(stage.totalBytes)} GiB` : `${gib(stage.rankBytes)} GiB/GPU`;
  return [
    stage.name,
    whole(stage.contextLength),
    `${stage.pods} x ${stage.processesPerPod}`,
    stage.rows === undefined ? unknown : `<= ${whole(stage.rows)}`,
    stage.steps === undefined ? unknown : `<= ${whole(stage.steps)}`,
    `<= ${whole(stage.packedTokens)}`,
    peak,
    stage.seconds === undefined ? unknown : `~ ${duration(stage.seconds)}`,
  ];
}

export function renderPlan({ model, machine, stages, problems, warnings }: TrainingPlan): string {
  const heads = [
    'stage',
    'context',
    'pods x ranks',
    'rows',
    'steps',
    'tokens/row',
    'peak memory',
    'training',
  ];
  const where =
    machine.device === 'cpu'
      ? `${machine.cores} CPU cores, ${gib(machine.memoryBytes)} GiB`
      : `GPUs of ${gib(machine.memoryBytes)} GiB`;
  return [
    `Plan for ${model.architecture}: ${(model.parameters / 1e6).toFixed(0)}M weights, ${model.layers} layers, ` +
      `${model.attentionHeads} query and ${model.keyValueHeads} KV heads, ${whole(model.maxPositionEmbeddings)} positions, on ${where}`,
    table(
      heads,
      stages.map((stage) => rowOf(stage, machine.device)),
    ),
    ...problems.map((problem) => `problem: ${problem}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join('\n');
}
