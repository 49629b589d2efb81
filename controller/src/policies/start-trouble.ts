/** Why pods of a running Job do not start, once that has lasted; what is only on its way is no trouble. Pure. */
import type { JobView } from '../reconcile/job-view.ts';
import type { PodWait } from '../reconcile/pod-wait.ts';
import { activeSince } from './usage.ts';

export type StartTrouble =
  /** This pod waits for what may never come. */
  | ({ kind: 'waits'; pod: string } & PodWait)
  /** The Job controller makes no more pods, though some are missing. It tells why in events alone. */
  | { kind: 'unmade'; made: number; since: string };

export interface Start {
  trouble?: StartTrouble;
  /** When what is seen now will have lasted. */
  due?: Date;
}

/** Claims that are being bound and pulls that succeed at the second try pass within that. */
const waitPatience = 10;
/** The Job controller makes a few hundred pods a second, if it is not behind. */
const makingPatience = 30;
/** The longest that the Job controller itself waits after pods that have failed. */
const longestBackOff = 600;

/** The trouble that has lasted longest, so that it stays the same one while others come and go. */
export function startOf(job: JobView, now: Date): Start {
  const since = activeSince(job);
  if (since === undefined || job.deleting || job.ended !== undefined) return {};
  const signs = [...waitsOf(job), ...unmadeOf(job, since)].toSorted(
    (a, b) => a.due - b.due || a.name.localeCompare(b.name),
  );
  const first = signs[0];
  if (first === undefined) return {};
  const { due, trouble } = first;
  return due <= now.getTime() ? { trouble } : { due: new Date(due) };
}

interface Sign {
  name: string;
  due: number;
  trouble: StartTrouble;
}

const after = (since: string, seconds: number): number => (Date.parse(since) || 0) + seconds * 1000;

/** A pod behind a gate waits for a queue: that is as it should be. */
const waitsOf = ({ activePods }: JobView): Sign[] =>
  activePods.flatMap(({ name, deleting, waits }) =>
    waits === undefined || deleting || waits.reason === 'SchedulingGated'
      ? []
      : {
          name,
          due: after(waits.since, waitPatience),
          trouble: { kind: 'waits' as const, pod: name, ...waits },
        },
  );

function unmadeOf(job: JobView, activeSince: string): Sign[] {
  const made = job.activePods.length + job.succeededPods;
  if (made >= job.pods) return [];
  const ends = job.failures.map(({ at }) => at);
  const times = [activeSince, ...job.stalledAt, ...ends, ...job.activePods.map(({ createdAt }) => createdAt)];
  const since = times.reduce((newest, time) => (Date.parse(time) > Date.parse(newest) ? time : newest));
  const isBackingOff = job.failed > 0 || ends.length > 0;
  const due = after(since, makingPatience + (isBackingOff ? longestBackOff : 0));
  return [{ name: '', due, trouble: { kind: 'unmade', made, since } }];
}
