/** Which attempt of a Job counts, and whether a failed one is tried again. Pure. */
import type { JobView } from '../reconcile/job-view.ts';

/** Written by a user (or by `longpo run` on a failed training) to try failed work again. */
export const retryAnnotation = 'longpo.dev/retried-at';

export interface Attempt {
  number: number;
  /** The Job of that attempt, once it exists. */
  job: JobView | undefined;
}

/** The newest attempt; a failed one is followed by the next when the user asked for it after the failure. */
export function currentAttempt(jobs: JobView[], retriedAt: string | undefined): Attempt {
  const newest = jobs.toSorted((a, b) => b.attempt - a.attempt)[0];
  if (newest === undefined) return { number: 1, job: undefined };
  // Complete without a result is a failure too: nothing says what the Job made.
  const failed = newest.state === 'Failed' || (newest.state === 'Complete' && newest.result === undefined);
  const retried =
    failed && retriedAt !== undefined && Date.parse(retriedAt) >= Date.parse(newest.finishedAt ?? '');
  return retried ? { number: newest.attempt + 1, job: undefined } : { number: newest.attempt, job: newest };
}
