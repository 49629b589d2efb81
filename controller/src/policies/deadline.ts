/** The active deadline of a training: time that Jobs ran in all stages together, without the time they were suspended. Pure. */
import type { JobView } from '../reconcile/job-view.ts';
import { activeSeconds, activeSince } from './usage.ts';

export interface Deadline {
  exceeded: boolean;
  /** When it will be exceeded if the Jobs that run now go on. */
  due?: Date;
}

/** A Job that somebody deleted takes its time with it: nothing else holds it. */
export function deadlineOf(jobs: JobView[], limitSeconds: number | undefined, now: Date): Deadline {
  if (limitSeconds === undefined) return { exceeded: false };
  const left = limitSeconds - jobs.reduce((sum, job) => sum + activeSeconds(job, now), 0);
  const active = jobs.filter((job) => activeSince(job) !== undefined).length;
  if (left <= 0) return { exceeded: true };
  return active === 0
    ? { exceeded: false }
    : { exceeded: false, due: new Date(now.getTime() + (left / active) * 1000) };
}
