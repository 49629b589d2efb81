/** How long Jobs have run and how many GPUs they held: from their own times, so restarts of the controller lose nothing. Pure. */
import type { StageStatus } from '@longpo/api';
import type { JobView } from '../reconcile/job-view.ts';

export type Usage = NonNullable<StageStatus['usage']>;

const secondsBetween = (from: string, to: string): number =>
  Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000)) || 0;

/**
 * Start of the interval in which a Job runs now. Between a suspension or resumption and the Job controller's answer
 * status.startTime is still that of the interval before, which the annotation already holds.
 */
export function activeSince(job: JobView): string | undefined {
  return job.state === 'Running' && !job.suspend && !job.isSuspended ? job.startedAt : undefined;
}

/** Seconds of the intervals that are over. */
export function finishedSeconds(job: JobView): number {
  const { state, startedAt, finishedAt, isSuspended, activeSecondsBefore } = job;
  const isLast = state !== 'Running' && !isSuspended && startedAt !== undefined && finishedAt !== undefined;
  return activeSecondsBefore + (isLast ? secondsBetween(startedAt, finishedAt) : 0);
}

/** Seconds that a Job has run by now. */
export function activeSeconds(job: JobView, now: Date): number {
  const since = activeSince(job);
  return finishedSeconds(job) + (since === undefined ? 0 : secondsBetween(since, now.toISOString()));
}

export function usageOf(jobs: JobView[]): Usage {
  const since = jobs.flatMap((job) => activeSince(job) ?? []).toSorted()[0];
  return {
    ...(since === undefined ? {} : { activeSince: since }),
    activeSeconds: jobs.reduce((sum, job) => sum + finishedSeconds(job), 0),
    gpuSeconds: jobs.reduce((sum, job) => sum + finishedSeconds(job) * job.gpusPerPod * job.pods, 0),
  };
}
