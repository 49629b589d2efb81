/**
 * What Jobs that have not ended need, whatever step the training is at: suspended, resumed, ended, or rid of pods
 * that stand still. Each change and what is to be remembered of it are one patch, so a crash never parts them. Pure.
 */
import {
  activeSecondsAnnotation,
  endedAnnotation,
  reasons,
  type StageProgress,
  stalledAtAnnotation,
} from '@longpo/api';
import { jobs as jobType, pods as podType } from '../../cluster.ts';
import type { Deadline } from '../../policies/deadline.ts';
import { shapeChanged, shapeText } from '../../policies/shape.ts';
import { stallMark, stallOf } from '../../policies/stall.ts';
import { startOf } from '../../policies/start-trouble.ts';
import { activeSeconds } from '../../policies/usage.ts';
import type { JobView } from '../job-view.ts';
import type { Merge, Removal } from '../plan.ts';
import { type StageContext, stageBefore } from './stage-context.ts';
import { restartsOf } from './stage-facts.ts';

export interface Supervision {
  merge: Merge[];
  remove: Removal[];
  /** When to look again. */
  due: Date[];
}

const nothing: Supervision = { merge: [], remove: [], due: [] };

export const isUnfinished = (job: JobView): boolean => job.state === 'Running' && !job.deleting;

export function supervise(context: StageContext, deadline: Deadline): Supervision {
  const each = context.observed.jobs.filter(isUnfinished).map((job) => superviseJob(context, job, deadline));
  return {
    merge: each.flatMap(({ merge }) => merge),
    remove: each.flatMap(({ remove }) => remove),
    due: [...each.flatMap(({ due }) => due), ...(deadline.due ? [deadline.due] : [])],
  };
}

function superviseJob(context: StageContext, job: JobView, deadline: Deadline): Supervision {
  const patch = (why: string, annotations: Record<string, string>, spec?: object): Supervision => ({
    ...nothing,
    merge: [mergeOf(context, job, why, annotations, spec)],
  });
  // Told to end: the Job controller sees to it.
  if (job.ended !== undefined) return nothing;
  if (context.training.spec.suspend) {
    if (job.suspend) return nothing;
    const seconds = String(activeSeconds(job, context.now));
    return patch('suspend', { [activeSecondsAnnotation]: seconds }, { suspend: true });
  }
  const ending = endingOf(context, job, deadline);
  if (ending !== undefined) return patch(`end: ${ending}`, { [endedAnnotation]: ending }, endingSpec(job));
  if (job.suspend) {
    // Not before the Job controller has seen the suspension: it would never date the new interval.
    return job.isSuspended ? patch('resume', {}, { suspend: false }) : nothing;
  }
  return superviseProgress(context, job);
}

/** The Job stays, with its pods' last words. A suspended one is only ended when it runs: without pods. */
const endingSpec = (job: JobView): object => ({
  activeDeadlineSeconds: 1,
  ...(job.suspend ? { suspend: false, parallelism: 0 } : {}),
});

function endingOf(context: StageContext, job: JobView, deadline: Deadline): string | undefined {
  const { spec } = context.training;
  const stage = spec.stages.find(({ name }) => name === job.stage);
  if (stage && job.shape !== undefined && job.shape !== shapeText(stage)) return shapeChanged;
  if (deadline.exceeded) return reasons.deadlineExceeded;
  return restartsOf(context, job.stage) > spec.restarts.maxPerStage ? reasons.restartsExhausted : undefined;
}

export const progressOf = (context: StageContext, job: JobView): StageProgress | undefined => {
  const { status } = context.training;
  const progress = job.stage === '' ? status?.fetchProgress : stageBefore(context, job.stage)?.progress;
  // A report of the step before, or of an attempt before, says nothing of this Job.
  return progress?.role === job.role && (job.stage === '' || progress.attempt === job.attempt)
    ? progress
    : undefined;
};

function superviseProgress(context: StageContext, job: JobView): Supervision {
  const { stallAfterSeconds } = context.training.spec.restarts;
  const stall = stallOf(job, progressOf(context, job), stallAfterSeconds, context.now);
  if (stall.state === 'moving') return { ...nothing, due: [stall.due] };
  if (stall.state === 'replacing') {
    const { namespace } = context.owner;
    const remove = stall.pods.map(
      ({ name, uid }): Removal => ({ ...podType, namespace, name, preconditions: { uid } }),
    );
    return { ...nothing, remove };
  }
  if (stall.state === 'waiting') {
    const { due } = startOf(job, context.now);
    return due === undefined ? nothing : { ...nothing, due: [due] };
  }
  // The pods go in the next reconcile, once the mark that counts the stall is there.
  const stalledAt = [...job.stalledAt, stallMark(context.now)].join(',');
  return { ...nothing, merge: [mergeOf(context, job, 'stalled', { [stalledAtAnnotation]: stalledAt })] };
}

function mergeOf(
  { owner }: StageContext,
  { name, uid, resourceVersion }: JobView,
  why: string,
  annotations: Record<string, string>,
  spec?: object,
): Merge {
  const metadata = Object.keys(annotations).length === 0 ? {} : { metadata: { annotations } };
  return {
    ...jobType,
    namespace: owner.namespace,
    name,
    why,
    patch: { ...metadata, ...(spec === undefined ? {} : { spec }) },
    preconditions: { uid, resourceVersion },
  };
}
