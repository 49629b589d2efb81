/** What the decisions of a training share. Pure. */
import type { StageStatus } from '@longpo/api';
import { jobName } from '../../objects/names.ts';
import { type AttemptHistory, retryAnnotation } from '../../policies/attempt.ts';
import type { Observed } from '../observe.ts';
import type { BatchRole, JobContext } from './stage-jobs.ts';

export interface StageContext extends JobContext {
  observed: Observed;
  now: Date;
}

const askedAt = ({ training }: JobContext): string | undefined =>
  training.metadata.annotations?.[retryAnnotation];

/** When a retry counts that was asked for by a clock ahead of ours. */
export function retryDue(context: StageContext): Date | undefined {
  const due = new Date(askedAt(context) ?? '');
  return due > context.now ? due : undefined;
}

/** When the user asked to try again. A time still to come would be later than every failure and never be used up. */
export const retriedAt = (context: StageContext): string | undefined =>
  retryDue(context) === undefined ? askedAt(context) : undefined;

/** What the status says of a stage; a lower bound for attempts, never the place that a decision stands on alone. */
export const stageBefore = ({ training }: JobContext, stage: string): StageStatus | undefined =>
  training.status?.stages?.find(({ name }) => name === stage);

export function historyOf(context: StageContext, stage: string, role: BatchRole): AttemptHistory {
  const before = stageBefore(context, stage);
  const isSeen = before?.jobName === jobName(context.owner.name, stage, role, before?.attempt ?? 0);
  return { retriedAt: retriedAt(context), ...(before && isSeen ? { seen: before.attempt } : {}) };
}

/** URI of a path that a role reported: below the volume root, or absolute. */
export const uriOf = (path: string, claim: string): string =>
  path.startsWith('/') ? path : `pvc://${claim}/${path}`;
