/** The status of a training as it is written: rebuilt each time, without the fields of the progress endpoint. Pure. */
import { conditionOf, conditionTypes, type LongPOTrainingStatus } from '@longpo/api';
import { finishedSeconds } from '../../policies/usage.ts';
import { isOver, isSuspended, type Outcome, trainingConditions } from './conditions.ts';
import type { StageContext } from './stage-context.ts';
import { isUnfinished, progressOf } from './supervise.ts';

export function trainingStatus(
  context: StageContext,
  outcome: Outcome,
  generation: number,
): LongPOTrainingStatus {
  const { failure, state, status, stages } = outcome;
  const conditions = trainingConditions(context, outcome, generation);
  const finishedAt = isOver(outcome)
    ? conditionOf({ conditions }, conditionTypes.succeeded)?.lastTransitionTime
    : undefined;
  return {
    observedGeneration: generation,
    state: failure ? 'Failed' : isSuspended(context, outcome) ? 'Suspended' : state,
    ...status,
    ...currentJob(context, outcome),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...gpuSeconds(context),
    conditions,
    stages,
  };
}

function currentJob(
  context: StageContext,
  { current }: Outcome,
): Pick<LongPOTrainingStatus, 'gpus' | 'progress'> {
  if (current === undefined || !isUnfinished(current)) return {};
  const percent = progressOf(context, current)?.percent;
  return {
    gpus: current.gpusPerPod * current.pods,
    ...(percent === undefined ? {} : { progress: `${percent}%` }),
  };
}

/** Of finished intervals, as status.stages[].usage counts them. */
function gpuSeconds({ observed }: StageContext): Pick<LongPOTrainingStatus, 'gpuSeconds'> {
  if (observed.jobs.length === 0) return {};
  const each = observed.jobs.map((job) => finishedSeconds(job) * job.gpusPerPod * job.pods);
  return { gpuSeconds: each.reduce((sum, seconds) => sum + seconds, 0) };
}
