/** The condition PodsReady: how many pods of the Job run, and what keeps the others from it. Pure. */
import { type Condition, reasons } from '@longpo/api';
import { type Say, say } from '../../policies/condition.ts';
import { type StartTrouble, startOf } from '../../policies/start-trouble.ts';
import type { JobView } from '../job-view.ts';

/** `before` is the condition as it is written. */
export function podsReady(job: JobView | undefined, before: Condition | undefined, now: Date): Say {
  if (job === undefined || job.suspend) return say('False', reasons.noPods, 'no Job runs');
  const started = job.activePods.filter(({ startedAt }) => startedAt !== undefined).length;
  const running = started + job.succeededPods;
  if (running >= job.pods) return say('True', reasons.allPodsReady, `all pods of Job ${job.name} run`);
  const { trouble } = startOf(job, now);
  const counted = `${running} of ${job.pods} pods of Job ${job.name} run`;
  if (trouble === undefined) return say('False', reasons.podsPending, counted);
  const { subject, why } = wordsOf(job, trouble);
  return say('False', reasons.podsCannotStart, settled(before, `${counted}; ${subject}: `, why));
}

interface Words {
  /** What is stuck, and since when. */
  subject: string;
  why: string;
}

/** Longest piece of another's message that goes into the condition. */
const longestWhy = 400;

function wordsOf(job: JobView, trouble: StartTrouble): Words {
  const where = job.stage === '' ? job.role : `${job.role} of stage ${job.stage}`;
  if (trouble.kind === 'unmade')
    return {
      subject: `no pod (${where}) was made since ${trouble.since}, ${trouble.made} are there`,
      why: `a quota or an admission policy may refuse them, see kubectl describe job ${job.name}`,
    };
  const { pod, reason, message, since } = trouble;
  const text = [reason, message].filter((word) => word !== '').join(': ');
  return {
    subject: `pod ${pod} (${where}) waits since ${since}`,
    why: text.replace(/\s+/g, ' ').trim().slice(0, longestWhy),
  };
}

/**
 * The scheduler tells the same with other numbers of nodes, and in the order of those; a kubelet says by turns that a
 * pull failed and that it waits to pull again. What says no more than what is written is not written.
 */
function settled(before: Condition | undefined, start: string, why: string): string {
  const isSameSubject = before?.reason === reasons.podsCannotStart && before.message.startsWith(start);
  const written = isSameSubject ? before.message.slice(start.length) : undefined;
  const isWaitBetweenPulls = why.startsWith('ImagePullBackOff') && written?.startsWith('ErrImagePull');
  const isKept =
    written !== undefined && (isWaitBetweenPulls || withoutCounts(written) === withoutCounts(why));
  return `${start}${isKept ? written : why}`;
}

/** Numbers that are part of a name stay. */
const withoutCounts = (text: string): string =>
  text
    .replace(/(?<![\w-])\d+(?![\w-])/g, '')
    .split(/[\s,.:;/]+/)
    .toSorted()
    .join(' ');
