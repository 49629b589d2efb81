/** The plan as a table for a terminal of 100 columns. Pure. */
import { table } from '../live/table.ts';
import { duration } from '../live/units.ts';
import { gib, type StagePlan, type TrainingPlan } from './plan.ts';

const whole = (value: number): string => value.toLocaleString('en-US');
const atMost = (value: number | undefined): string =>
  value === undefined ? 'unknown' : `<= ${whole(value)}`;

const heads = ['stage', 'context', 'pods x ranks', 'rows', 'steps', 'tokens/row', 'peak memory', 'training'];

function rowOf(stage: StagePlan, device: 'cpu' | 'cuda'): string[] {
  const peak = device === 'cpu' ? `${gib(stage.totalBytes)} GiB` : `${gib(stage.rank.total)} GiB/GPU`;
  return [
    stage.name,
    whole(stage.contextLength),
    `${stage.pods} x ${stage.processesPerPod}`,
    atMost(stage.rows),
    atMost(stage.steps),
    atMost(stage.tokensPerRow),
    peak,
    stage.seconds === undefined ? 'unknown' : `~ ${duration(stage.seconds)}`,
  ];
}

function weights(parameters: number): string {
  return parameters < 1e9 ? `${(parameters / 1e6).toFixed(0)}M` : `${(parameters / 1e9).toFixed(1)}B`;
}

export function renderPlan({ model, machine, stages, problems, warnings }: TrainingPlan): string {
  const where =
    machine.device === 'cpu'
      ? `${machine.cores} CPU cores, ${gib(machine.memoryBytes)} GiB`
      : `GPUs of ${gib(machine.memoryBytes)} GiB`;
  const isUnknown = stages.some(({ rows, steps }) => rows === undefined || steps === undefined);
  return [
    `Plan on ${where}`,
    `Model: ${model.architecture}, ${weights(model.parameters)} weights, ${model.layers} layers, ` +
      `${model.attentionHeads} query and ${model.keyValueHeads} KV heads, ${whole(model.maxPositionEmbeddings)} positions`,
    table(
      heads,
      stages.map((stage) => rowOf(stage, machine.device)),
    ),
    ...(isUnknown ? ['unknown: only the documents, or your preference file, tell the number of rows'] : []),
    ...problems.map((problem) => `problem: ${problem}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join('\n');
}
