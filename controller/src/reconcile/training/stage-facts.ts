/** What the Jobs of a stage tell about it, whatever step it is at. Pure. */
import type { GenerateResult, StageProgress, StageStatus, TrainResult } from '@longpo/api';
import { failuresWithin } from '../../policies/restart-budget.ts';
import { usageOf } from '../../policies/usage.ts';
import type { JobView } from '../job-view.ts';
import { retriedAt, type StageContext, stageBefore } from './stage-context.ts';

export const jobsOf = ({ observed }: StageContext, stage: string): JobView[] =>
  observed.jobs.filter((job) => job.stage === stage);

/** The Job is there and, if it is complete, still says what it made. */
export const hasAnswer = ({ deleting, state, result }: JobView): boolean =>
  !deleting && (state !== 'Complete' || result !== undefined);

/** Failures and stalls of a stage that count now, or counted when it ended. */
export function restartsOf(context: StageContext, stage: string, endedAt?: string): number {
  return failuresWithin(jobsOf(context, stage), {
    seconds: context.training.spec.restarts.windowSeconds,
    until: endedAt === undefined ? context.now : new Date(endedAt),
    retriedAt: retriedAt(context),
  });
}

type Facts = Pick<StageStatus, 'name' | 'restarts' | 'startedAt' | 'finishedAt' | 'lastFailure' | 'usage'>;

export function stageFacts(context: StageContext, stage: string, endedAt?: string): Facts {
  const jobs = jobsOf(context, stage);
  const startedAt = jobs.map(({ createdAt }) => createdAt).toSorted()[0];
  return {
    name: stage,
    restarts: restartsOf(context, stage, endedAt),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { finishedAt: endedAt }),
    ...lastFailure(jobs, stageBefore(context, stage)),
    ...(jobs.length === 0 ? {} : { usage: usageOf(jobs) }),
  };
}

/** The newest by time: a list of pods comes in any order. */
function lastFailure(jobs: JobView[], before: StageStatus | undefined): Pick<StageStatus, 'lastFailure'> {
  const time = (at: string | undefined) => Date.parse(at ?? '') || 0;
  const failure = jobs
    .flatMap((job) => job.lastFailure ?? [])
    .toSorted((a, b) => time(a.at) - time(b.at))
    .at(-1);
  if (failure === undefined) return {};
  const known = before?.lastFailure?.pod === failure.pod ? before.lastFailure.step : undefined;
  const step = known ?? stepAt(before?.progress, time(failure.at));
  return { lastFailure: { ...failure, ...(step === undefined ? {} : { step }) } };
}

/** Steps that were reported by then; the next pod's reports say nothing about this one. */
function stepAt(progress: StageProgress | undefined, time: number): number | undefined {
  if (progress?.unit !== 'steps' || Date.parse(progress.reportedAt) > time) return undefined;
  return Math.floor(progress.completed);
}

export function dataStatus({
  path,
  digest,
  rows,
  turns,
  dropped,
}: GenerateResult): NonNullable<StageStatus['data']> {
  return { path, digest, rows, turns, dropped };
}

export function checkpointStatus(
  trained: TrainResult,
  verified: boolean,
): NonNullable<StageStatus['checkpoint']> {
  const { checkpoint, digest, steps, rows, loss, rewardMargin, rewardAccuracy, peakMemoryBytes } = trained;
  const { evalLoss, evalRewardAccuracy, master, masterDigest } = trained;
  return {
    path: checkpoint,
    digest,
    step: steps,
    rows,
    loss,
    rewardMargin,
    rewardAccuracy,
    evalLoss,
    evalRewardAccuracy,
    peakMemoryBytes,
    verified,
    master,
    masterDigest,
  };
}
