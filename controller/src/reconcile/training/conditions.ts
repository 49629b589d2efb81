/** The conditions of a training: all of them from the first visit on. Pure. */
import { type Condition, conditionOf, conditionTypes, reasons } from '@longpo/api';
import { type Say, say, settleConditions } from '../../policies/condition.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import { stallOf } from '../../policies/stall.ts';
import type { JobView } from '../job-view.ts';
import type { Progress } from './pipeline.ts';
import { podsReady } from './pods-ready.ts';
import { retriedAt, type StageContext } from './stage-context.ts';
import { isUnfinished, progressOf } from './supervise.ts';

export type Outcome = Progress & { failure?: TerminalFailure };

export const isOver = ({ failure, state }: Outcome): boolean =>
  failure !== undefined || state === 'Succeeded';

/** Suspended, as far as the user is told: what is over is not suspended. */
export const isSuspended = ({ training }: StageContext, outcome: Outcome): boolean =>
  training.spec.suspend && !isOver(outcome) && outcome.state !== 'Serving';

export function trainingConditions(context: StageContext, outcome: Outcome, generation: number): Condition[] {
  const { training, now } = context;
  const before = (type: string) => conditionOf(training.status, type);
  const wishes: Record<string, Say> = {
    [conditionTypes.succeeded]: succeeded(context, outcome),
    [conditionTypes.planned]: planned(outcome),
    [conditionTypes.resourcesReconciled]: say('True', reasons.reconciled, 'every object is as it should be'),
    [conditionTypes.podsReady]: podsReady(
      runningJob(context, outcome),
      before(conditionTypes.podsReady),
      now,
    ),
    [conditionTypes.progressing]: progressing(context, outcome),
    [conditionTypes.checkpointDurable]: checkpointDurable(outcome),
    [conditionTypes.suspended]: suspended(context, outcome),
  };
  return settleConditions(
    Object.entries(wishes).map(([type, wish]) => ({ type, ...wish })),
    conditionsBefore(context),
    generation,
    context.now,
  );
}

/** A failure that outlasts a retry has happened again: who asked for it must see that it was looked at again. */
function conditionsBefore(context: StageContext): Condition[] | undefined {
  const asked = Date.parse(retriedAt(context) ?? '');
  const isOutlived = ({ type, status, lastTransitionTime }: Condition) =>
    type === conditionTypes.succeeded && status === 'False' && Date.parse(lastTransitionTime) < asked;
  const before = context.training.status?.conditions;
  return asked <= context.now.getTime() ? before?.filter((condition) => !isOutlived(condition)) : before;
}

function succeeded(context: StageContext, outcome: Outcome): Say {
  const { failure, state, reason, message } = outcome;
  if (failure) return say('False', failure.reason, failure.message);
  if (state === 'Succeeded') return say('True', reason, message);
  return isSuspended(context, outcome)
    ? say('Unknown', reasons.suspended, `suspended while ${reason}: ${message}`)
    : say('Unknown', reason, message);
}

function planned({ failure, status }: Outcome): Say {
  if (failure?.reason === reasons.planInvalid) return say('False', failure.reason, failure.message);
  return status.model === undefined
    ? say('Unknown', reasons.fetching, 'the model has not been read yet')
    : say('True', reasons.planFits, 'the model can be split as the stages ask');
}

/** The Job whose pods are the training's now. */
const runningJob = ({ observed }: StageContext, { current }: Outcome): JobView | undefined =>
  current && isUnfinished(current) ? current : observed.jobs.find(isUnfinished);

function progressing(context: StageContext, outcome: Outcome): Say {
  const { failure, state, reason } = outcome;
  if (failure) return say('False', failure.reason, 'the training has failed');
  if (state === 'Succeeded') return say('False', reason, 'there is nothing left to do');
  if (isSuspended(context, outcome)) return say('False', reasons.suspended, 'spec.suspend is set');
  const job = runningJob(context, outcome);
  const stray = context.observed.strayPods[0];
  if (job === undefined && stray)
    return say('Unknown', reasons.waiting, `pod ${stray} of a Job that is gone has not ended yet`);
  if (job === undefined) return say('Unknown', reasons.waiting, 'no Job runs');
  const { stallAfterSeconds } = context.training.spec.restarts;
  const stall = stallOf(job, progressOf(context, job), stallAfterSeconds, context.now);
  if (stall.state === 'waiting')
    return say('Unknown', reasons.waiting, `not all pods of Job ${job.name} run`);
  return stall.state === 'moving'
    ? say('True', reasons.advancing, `Job ${job.name} is within ${stallAfterSeconds} s of its last progress`)
    : say('False', reasons.stalled, `Job ${job.name} made no progress for ${stallAfterSeconds} s`);
}

/** Of the newest checkpoint that there is. */
function checkpointDurable({ failure, stages }: Outcome): Say {
  const stage = stages.findLast(({ checkpoint }) => checkpoint !== undefined);
  if (failure?.reason === reasons.checkpointInvalid) return say('False', failure.reason, failure.message);
  const verified = stages.findLast(({ checkpoint }) => checkpoint?.verified);
  if (verified)
    return say('True', reasons.verified, `stage ${verified.name}, step ${verified.checkpoint?.step}`);
  return stage
    ? say('False', reasons.verifying, `stage ${stage.name} is being verified`)
    : say('False', reasons.notYet, 'no stage has a checkpoint yet');
}

function suspended(context: StageContext, outcome: Outcome): Say {
  if (!isSuspended(context, outcome)) return say('False', reasons.notSuspended, 'spec.suspend is not set');
  const { jobs, servings } = context.observed;
  const pods = jobs.reduce((sum, job) => sum + job.activePods.length, 0);
  const replicas = [...servings.values()]
    .filter(({ metadata }) => metadata.name !== context.owner.name)
    .reduce((sum, { status }) => sum + (status?.replicas ?? 0), 0);
  return pods + replicas === 0
    ? say('True', reasons.suspended, 'no pod runs')
    : say('False', reasons.suspending, `pods that have not ended yet: ${pods + replicas}`);
}
