/** How long a training waits for its first Job: alone, and among many that come at once. */
import { type ApiCall, firstJobDelays } from './api-call.ts';
import { namesOf, waitingTraining } from './trainings.ts';
import type { Yard } from './yard.ts';

const jobLimitMs = 30_000;

/** Jobs that the operator made in a namespace since a mark. */
const jobsIn = (calls: readonly ApiCall[], namespace: string, mark: number): number =>
  calls
    .slice(mark)
    .filter(
      (call) =>
        call.verb === 'create' &&
        call.resource === 'jobs' &&
        call.namespace === namespace &&
        call.status === 201,
    ).length;

/** The next is made once the operator has come to rest after the last; ms. */
export async function measureOneByOne(yard: Yard, namespace: string, count: number): Promise<number[]> {
  const mark = yard.audit.mark;
  const names = namesOf(namespace, count);
  for (const name of names) {
    const own = yard.audit.mark;
    await yard.create(waitingTraining(namespace, name));
    const hasJob = await yard.audit.until((calls) => jobsIn(calls, namespace, own) > 0, {
      limitMs: jobLimitMs,
    });
    if (!hasJob) throw new Error(`no Job for ${name} within ${jobLimitMs} ms`);
    await yard.untilQuiet(400, jobLimitMs);
  }
  return firstJobDelays(yard.audit.calls.slice(mark), names);
}

export interface Burst {
  /** For each training that got a Job in time, in ms. */
  delays: number[];
  /** From the answer to the first creation to that to the last. */
  creationMs: number;
  /** From there to the last Job. */
  wholeMs: number;
}

/** `count` trainings at once. */
export async function measureBurst(
  yard: Yard,
  namespace: string,
  { prefix, count, limitMs }: { prefix: string; count: number; limitMs: number },
): Promise<Burst> {
  const mark = yard.audit.mark;
  const names = namesOf(prefix, count);
  await Promise.all(names.map((name) => yard.create(waitingTraining(namespace, name))));
  await yard.audit.until((calls) => jobsIn(calls, namespace, mark) >= count, { limitMs, everyMs: 500 });
  const calls = yard.audit.calls.slice(mark);
  const times = (resource: string) =>
    calls
      .filter((call) => call.verb === 'create' && call.resource === resource)
      .map((call) => call.answeredMs);
  const created = times('longpotrainings');
  const first = Math.min(...created);
  return {
    delays: firstJobDelays(calls, names),
    creationMs: Math.max(...created) - first,
    wholeMs: Math.max(...times('jobs')) - first,
  };
}
