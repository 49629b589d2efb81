/** Failures of a stage within its sliding window. Kubernetes' own limits only ever add up, so we count here. Pure. */
import type { JobView } from '../reconcile/job-view.ts';
import type { EndedRank } from '../reconcile/pod-view.ts';
import { brokenBy } from './gang.ts';

/** A gang that broke because a pod was evicted, or asked to be started again, has not failed at all. */
export const distinctFailures = (ended: EndedRank[]): string[] =>
  brokenBy(ended)
    .filter(({ counts }) => counts)
    .map(({ at }) => at);

/**
 * Failed pods can be deleted or garbage collected. The Job's own count stays, though it has no times: what it has more
 * than the pods that are left is a lower bound, when the whole Job lies within the window and has not begun to end.
 * Not covered: pods that went from a Job older than the window.
 */
function failuresOf(job: JobView, since: number): number {
  const seen = [...distinctFailures(job.failures), ...job.stalledAt].filter((at) => Date.parse(at) >= since);
  const isRunning = job.state === 'Running' && job.ended === undefined;
  const gone = job.failed - job.failures.filter(({ counts }) => counts).length;
  const proven = isRunning && Date.parse(job.createdAt) >= since ? Math.floor(gone / job.pods) : 0;
  return seen.length + Math.max(proven - job.stalledAt.length, 0);
}

export interface Window {
  seconds: number;
  /** End of the window: now, or when the stage ended. */
  until: Date;
  /** When the user asked to try again: what failed before is forgiven. */
  retriedAt: string | undefined;
}

/** Failures and stalls within the window. */
export function failuresWithin(jobs: JobView[], { seconds, until, retriedAt }: Window): number {
  const forgiven = Date.parse(retriedAt ?? '') || Number.NEGATIVE_INFINITY;
  const since = Math.max(until.getTime() - seconds * 1000, forgiven);
  return jobs.reduce((sum, job) => sum + failuresOf(job, since), 0);
}
