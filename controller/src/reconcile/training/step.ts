/** One Job of the pipeline: wanted, waited for, done or failed for good. Pure. */
import type { PodResult } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { type AttemptHistory, currentAttempt, retryAnnotation } from '../../policies/attempt.ts';
import { type TerminalFailure, terminalFailure } from '../../policies/failure.ts';
import type { JobView } from '../job-view.ts';
import type { BatchRole } from './stage-jobs.ts';

export type Step<R extends BatchRole> = { attempt: number; job: JobView | undefined } & (
  | { state: 'wanted'; start: Resource[] }
  | { state: 'running' }
  | { state: 'failed'; failure: TerminalFailure }
  | { state: 'done'; result: NonNullable<PodResult[R]> }
);

export function stepOf<R extends BatchRole>(
  role: R,
  jobs: JobView[],
  history: AttemptHistory,
  build: (attempt: number) => Resource[],
): Step<R> {
  const { number: attempt, job } = currentAttempt(
    jobs.filter((candidate) => candidate.role === role),
    history,
  );
  if (job === undefined) return { attempt, job, state: 'wanted', start: build(attempt) };
  // One that is being deleted is waited for; once it is gone it is made again.
  if (job.state === 'Running' || job.deleting) return { attempt, job, state: 'running' };
  if (job.state === 'Failed') return { attempt, job, state: 'failed', failure: terminalFailure(role, job) };
  const result = job.result?.[role];
  if (result) return { attempt, job, state: 'done', result };
  // Seen before its pods: they are about to tell.
  if (job.activePods.length > 0) return { attempt, job, state: 'running' };
  // The pod is gone or ended without a word: what it made cannot be trusted, and nothing says where it is.
  const message = `${role}: Job ${job.name} completed, but no pod of it left a result; set the annotation ${retryAnnotation} to run it again`;
  return { attempt, job, state: 'failed', failure: { reason: 'DataInvalid', message } };
}
