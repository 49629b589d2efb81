/** What is worth telling in `kubectl describe`: the difference of two statuses. Pure. */
import {
  conditionOf,
  conditionTypes,
  exitCodes,
  type LongPOTrainingStatus,
  reasons,
  type StageStatus,
} from '@longpo/api';
import type { EventRecord } from '../../cluster.ts';

const normal = (reason: string, message: string): EventRecord => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): EventRecord => ({ type: 'Warning', reason, message });

export function eventsOf(
  before: LongPOTrainingStatus | undefined,
  after: LongPOTrainingStatus,
): EventRecord[] {
  const stages = (after.stages ?? []).flatMap((stage) =>
    stageEvents(
      before?.stages?.find(({ name }) => name === stage.name),
      stage,
    ),
  );
  return [...stages, ...conditionEvents(before, after)];
}

function stageEvents(before: StageStatus | undefined, after: StageStatus): EventRecord[] {
  const events: EventRecord[] = [];
  const was = before?.state ?? 'Pending';
  if (was === 'Pending' && after.state !== 'Pending')
    events.push(normal('StageStarted', `stage ${after.name} has started`));
  const failure = after.lastFailure;
  const isNew = failure !== undefined && failure.pod !== before?.lastFailure?.pod;
  // Pods that were stopped ask to be started again; what stopped them is told.
  if (isNew && failure.exitCode !== exitCodes.tryAgain)
    events.push(
      warning(
        'PodFailed',
        `stage ${after.name}: [${failure.code}] ${failure.message} (pod ${failure.pod}, exit code ${failure.exitCode})`,
      ),
    );
  if (before !== undefined && after.attempt > before.attempt && after.state === before.state)
    events.push(normal('AttemptStarted', `stage ${after.name} is at attempt ${after.attempt}`));
  if (was !== 'Succeeded' && after.state === 'Succeeded')
    events.push(normal('StageFinished', `stage ${after.name} has a verified checkpoint`));
  return events;
}

function conditionEvents(
  before: LongPOTrainingStatus | undefined,
  after: LongPOTrainingStatus,
): EventRecord[] {
  /** The condition, if it says something else than before. */
  const turned = (type: string) => {
    const [was, is] = [conditionOf(before, type), conditionOf(after, type)];
    return was?.status === is?.status && was?.reason === is?.reason ? undefined : is && { was, is };
  };
  const events: EventRecord[] = [];
  const progressing = turned(conditionTypes.progressing);
  if (progressing?.is.reason === reasons.stalled)
    events.push(warning(reasons.stalled, progressing.is.message));
  const podsReady = turned(conditionTypes.podsReady);
  if (podsReady?.is.reason === reasons.podsCannotStart)
    events.push(warning(reasons.podsCannotStart, podsReady.is.message));
  const suspended = turned(conditionTypes.suspended);
  if (suspended?.is.reason === reasons.suspending || suspended?.is.reason === reasons.suspended)
    events.push(normal(suspended.is.reason, suspended.is.message));
  else if (suspended?.was !== undefined) events.push(normal('Resumed', suspended.is.message));
  const succeeded = turned(conditionTypes.succeeded);
  if (succeeded?.is.status === 'True') events.push(normal(succeeded.is.reason, succeeded.is.message));
  if (succeeded?.is.status === 'False') events.push(warning(succeeded.is.reason, succeeded.is.message));
  return events;
}
