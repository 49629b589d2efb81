/** One Job of the pipeline: wanted, waited for, done or failed for good. Pure. */
import type { PodResult, Role } from '@longpo/api';
import type { Resource } from '../../cluster.ts';
import { currentAttempt, retryAnnotation } from '../../policies/attempt.ts';
import { type TerminalFailure, terminalFailure } from '../../policies/failure.ts';
import type { JobView } from '../job-view.ts';

type BatchRole = Exclude<Role, 'serve'>;

export type Step<R extends BatchRole> = { attempt: number } & (
  | { state: 'wanted'; apply: Resource[] }
  | { state: 'running' }
  | { state: 'failed'; failure: TerminalFailure }
  | { state: 'done'; result: NonNullable<PodResult[R]> }
);

export function stepOf<R extends BatchRole>(
  role: R,
  jobs: JobView[],
  retriedAt: string | undefined,
  build: (attempt: number) => Resource[],
): Step<R> {
  const { number: attempt, job } = currentAttempt(
    jobs.filter((candidate) => candidate.role === role),
    retriedAt,
  );
  if (job === undefined) return { attempt, state: 'wanted', apply: build(attempt) };
  if (job.state === 'Running') return { attempt, state: 'running' };
  if (job.state === 'Failed') return { attempt, state: 'failed', failure: terminalFailure(role, job) };
  const result = job.result?.[role];
  if (result) return { attempt, state: 'done', result };
  // The pod is gone or ended without a word: what it made cannot be trusted, and nothing says where it is.
  const message = `${role}: Job ${job.name} completed, but no pod of it left a result; set the annotation ${retryAnnotation} to run it again`;
  return { attempt, state: 'failed', failure: { reason: 'DataInvalid', message } };
}
