/** Whether a running Job stands still. Pure. */
import type { StageProgress } from '@longpo/api';
import type { JobView } from '../reconcile/job-view.ts';
import type { ActivePod } from '../reconcile/pod-view.ts';

export type Stall =
  /** Not all of its pods run: nothing can move. */
  | { state: 'waiting' }
  | { state: 'moving'; due: Date }
  | { state: 'stalled' }
  /** It was seen to stand still: pods from before are to go, and the Job controller makes others. */
  | { state: 'replacing'; pods: ActivePod[] };

const latest = (times: (string | undefined)[]): number =>
  Math.max(...times.map((time) => Date.parse(time ?? '') || 0), 0);

/** The clock of a stall starts anew with each pod: loading a model moves nothing that is reported. */
export function stallOf(
  job: JobView,
  progress: StageProgress | undefined,
  stallAfterSeconds: number,
  now: Date,
): Stall {
  const mark = latest(job.stalledAt);
  const old = job.activePods.filter(({ createdAt }) => Date.parse(createdAt) < mark);
  if (old.length > 0) return { state: 'replacing', pods: old.filter(({ deleting }) => !deleting) };
  const running = job.activePods.filter(({ startedAt, deleting }) => startedAt !== undefined && !deleting);
  if (running.length === 0 || running.length + job.succeededPods < job.pods) return { state: 'waiting' };
  const since = latest([progress?.advancedAt, ...running.map(({ startedAt }) => startedAt)]);
  const due = new Date(Math.max(since, mark) + stallAfterSeconds * 1000);
  return due <= now ? { state: 'stalled' } : { state: 'moving', due };
}

/** Whole seconds, as Kubernetes dates pods: one that is made in the second of the mark comes after it. */
export const stallMark = (now: Date): string => `${now.toISOString().slice(0, 19)}Z`;
