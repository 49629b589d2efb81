/** decide: (training, what is there, now) -> what should be. Pure: no client, no clock, no env. */
import { conditionOf, conditionTypes, type LongPOTrainingStatus, reasons } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { buildClaim } from '../../objects/claim.ts';
import { type Deadline, deadlineOf } from '../../policies/deadline.ts';
import type { Settings } from '../../settings.ts';
import { type ObservedTraining, trainingType } from '../observe.ts';
import type { Plan, Removal } from '../plan.ts';
import { isOver, type Outcome } from './conditions.ts';
import { eventsOf } from './events.ts';
import { advance, settled } from './pipeline.ts';
import { removalOf } from './serving-health.ts';
import { retryDue, type StageContext } from './stage-context.ts';
import { trainingStatus } from './status.ts';
import { isUnfinished, supervise } from './supervise.ts';

/** Timers hold no longer times; looking once a day costs nothing. */
const longestWaitSeconds = 86_400;

export function decideTraining(subject: ObservedTraining, settings: Settings, now: Date): Plan {
  const { training, owner, observed, generation } = subject;
  const context: StageContext = { training, owner, settings, observed, now };
  const deadline = deadlineOf(observed.jobs, training.spec.activeDeadlineSeconds, now);
  const supervision = supervise(context, deadline);
  const outcome = withDeadline(context, outcomeOf(subject, context), deadline);
  const status = trainingStatus(context, outcome, generation);
  const expiry = expiryOf(subject, status);
  const events = eventsOf(training.status, status);
  const appointments = [...supervision.due, expiry, retryDue(context)];
  const due = appointments.flatMap((date) => (date ? [date.getTime()] : []));
  const expired = expiry !== undefined && expiry <= now;
  return {
    apply: outcome.failure || expired ? [] : [...outcome.keep, ...startable(context, outcome)],
    merge: supervision.merge,
    remove: [...outcome.remove, ...supervision.remove, ...(expired ? [removalOfItself(subject)] : [])],
    status,
    events,
    ...(due.length === 0 || expired
      ? {}
      : { requeueAfterSeconds: waitSeconds(Math.min(...due) - now.getTime()) }),
  };
}

const waitSeconds = (milliseconds: number): number =>
  Math.min(Math.max(milliseconds / 1000, 0), longestWaitSeconds);

function outcomeOf({ training, generation }: ObservedTraining, context: StageContext): Outcome {
  const succeeded = conditionOf(training.status, conditionTypes.succeeded);
  const isSettled = succeeded?.status === 'True' && succeeded.observedGeneration === generation;
  return (isSettled ? settled(context) : undefined) ?? advance(context);
}

/** The pipeline is a line: two Jobs of it at once would write into the same folders. */
function startable({ training, owner, observed }: StageContext, { start }: Outcome): Resource[] {
  const isBusy = observed.jobs.some(
    (job) => job.state === 'Running' || job.deleting || job.activePods.length > 0,
  );
  if (isBusy || observed.strayPods.length > 0 || training.spec.suspend || start.length === 0) return [];
  const claim = buildClaim(training.spec.storage, owner);
  return claim === undefined ? start : [claim, ...start];
}

/** Past its deadline a training starts nothing more; Jobs that run are ended first. */
function withDeadline(context: StageContext, outcome: Outcome, { exceeded }: Deadline): Outcome {
  const { observed, owner, training } = context;
  const isLate = exceeded && !training.spec.suspend && !observed.jobs.some(isUnfinished);
  const failure =
    isLate && !isOver(outcome) && outcome.state !== 'Serving'
      ? {
          reason: reasons.deadlineExceeded,
          message: `the Jobs have run longer than spec.activeDeadlineSeconds, ${training.spec.activeDeadlineSeconds} s`,
        }
      : outcome.failure;
  if (failure?.reason !== reasons.deadlineExceeded && failure?.reason !== reasons.planInvalid) return outcome;
  // Nothing will ask a generator's server any more; other failures leave that to the step they are of.
  const servers = [...observed.servings.values()].filter(({ metadata }) => metadata.name !== owner.name);
  const remove = servers.flatMap((serving) => removalOf(serving, owner.namespace));
  return { ...outcome, failure, remove };
}

/** When a training that is over goes; only once its end was written, so that it can be seen. */
function expiryOf({ training }: ObservedTraining, status: LongPOTrainingStatus): Date | undefined {
  const { ttlSecondsAfterFinished: ttl } = training.spec;
  const [written, wanted] = [
    conditionOf(training.status, conditionTypes.succeeded),
    conditionOf(status, conditionTypes.succeeded),
  ];
  const isWritten =
    wanted?.status !== 'Unknown' && written?.lastTransitionTime === wanted?.lastTransitionTime;
  if (ttl === undefined || !isWritten || wanted === undefined) return undefined;
  return new Date(Date.parse(wanted.lastTransitionTime) + ttl * 1000);
}

function removalOfItself({ owner, resourceVersion }: ObservedTraining): Removal {
  const { namespace, name, uid } = owner;
  return { ...trainingType, namespace, name, preconditions: { uid, resourceVersion } };
}
