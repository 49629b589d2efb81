/** Which attempt of a Job counts, and whether a failed one is tried again. Pure. */
import type { JobView } from '../reconcile/job-view.ts';
import { shapeChanged } from './shape.ts';

/** Written by a user (or by `longpo run` on a failed training) to try failed work again. */
export const retryAnnotation = 'longpo.dev/retried-at';

export interface Attempt {
  number: number;
  /** The Job of that attempt, once it exists. */
  job: JobView | undefined;
}

export interface AttemptHistory {
  retriedAt: string | undefined;
  /** The attempt that the status names; the Job may be gone since, deleted by hand. */
  seen?: number;
  /** Number of the first attempt: a step's attempts begin where those of the step before it ended. */
  first?: number;
}

export const isRetried = (job: JobView, retriedAt: string | undefined): boolean =>
  retriedAt !== undefined && Date.parse(retriedAt) >= Date.parse(job.finishedAt ?? '');

/** Its pods succeeded and are gone, and with them what they told: evicted or deleted before anybody looked. */
export const hasLostResult = ({ state, activePods, succeededPods, pods }: JobView): boolean =>
  state === 'Complete' && activePods.length === 0 && succeededPods < pods;

/** What the roles made is still on the volume, so doing it again is quick; but not for ever. */
const mostLost = 3;

/**
 * The newest attempt. A failed one is followed by the next when the user asked for it after the failure, or when it
 * was ended for a change of its shape, or when nobody knows its result; one that is gone is made again under its own
 * name.
 */
export function currentAttempt(jobs: JobView[], { retriedAt, seen = 1, first = 1 }: AttemptHistory): Attempt {
  const newest = jobs.toSorted((a, b) => b.attempt - a.attempt)[0];
  if (newest === undefined) return { number: Math.max(seen, first), job: undefined };
  if (newest.attempt < seen) return { number: seen, job: undefined };
  // Complete without a result is a failure too: nothing says what the Job made.
  const hasNoResult = newest.state === 'Complete' && newest.result === undefined;
  const failed = newest.state === 'Failed' || hasNoResult;
  const lost = hasNoResult && hasLostResult(newest) && jobs.filter(hasLostResult).length <= mostLost;
  const reshaped = newest.state === 'Failed' && newest.ended === shapeChanged;
  const again = reshaped || lost || (failed && isRetried(newest, retriedAt));
  return again ? { number: newest.attempt + 1, job: undefined } : { number: newest.attempt, job: newest };
}

interface Attempts {
  stages?: { name: string; attempt: number }[];
}

/**
 * A stage's attempt grows. The next visit counts from the attempt that the status names, so a number that only an old
 * view believed in would be believed for ever.
 */
export const isNewAttempt = (before: Attempts | undefined, after: Attempts): boolean =>
  (after.stages ?? []).some(
    ({ name, attempt }) => attempt > (before?.stages?.find((stage) => stage.name === name)?.attempt ?? 1),
  );
