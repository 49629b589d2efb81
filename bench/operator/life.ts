/** A whole life: a training of two stages from its creation until its operator has nothing more to say of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OperatorProcess } from '../../test/operator/operator-process.ts';
import { type ApiCall, isOfLease } from './api-call.ts';
import { type Spent, spent } from './sample.ts';
import { quickTraining } from './trainings.ts';
import { countsSince, type WatchCount } from './watch-count.ts';
import { sample, type Yard } from './yard.ts';

export interface Life extends Spent {
  calls: ApiCall[];
  /** That the operator's watches brought, by plural. */
  events: ReadonlyMap<string, number>;
  /** Until the training had succeeded. */
  seconds: number;
}

const lifeLimitMs = 180_000;

export async function measureLife(
  yard: Yard,
  replica: OperatorProcess,
  watches: WatchCount,
  [namespace, name]: [string, string],
): Promise<Life> {
  const mark = yard.audit.mark;
  const before = { sample: await sample(replica), events: new Map(watches.events), ms: performance.now() };
  await yard.create(quickTraining(namespace, name));
  await untilSucceeded(yard, namespace, name);
  const seconds = (performance.now() - before.ms) / 1000;
  await yard.untilQuiet(3000, 30_000);
  return {
    ...spent(before.sample, await sample(replica)),
    calls: yard.audit.ofOperator(mark).filter((call) => !isOfLease(call)),
    events: countsSince(before.events, watches.events),
    seconds,
  };
}

async function untilSucceeded(yard: Yard, namespace: string, name: string): Promise<void> {
  const limit = performance.now() + lifeLimitMs;
  for (;;) {
    const { status } = await yard.training(namespace, name);
    const succeeded = status?.conditions?.find(({ type }) => type === 'Succeeded');
    if (succeeded?.status === 'True') return;
    if (succeeded?.status === 'False' || performance.now() > limit)
      throw new Error(`${namespace}/${name} did not succeed: ${JSON.stringify(status)}`);
    await sleep(200);
  }
}
