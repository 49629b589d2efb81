/** What an operator does, and holds, while nothing happens. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { OperatorProcess } from '../../test/operator/operator-process.ts';
import { isOfLease, isWrite } from './api-call.ts';
import { type Spent, spent } from './sample.ts';
import { sample, type Yard } from './yard.ts';

export interface Rest extends Spent {
  /** Whether it came to rest at all before it was looked at. */
  isAtRest: boolean;
  writes: string[];
  leaseWrites: number;
  /** Gets, lists and watches. */
  reads: number;
}

export async function measureRest(yard: Yard, replica: OperatorProcess, seconds: number): Promise<Rest> {
  const isAtRest = await yard.untilQuiet(5000, 120_000);
  const mark = yard.audit.mark;
  const before = await sample(replica);
  await sleep(seconds * 1000);
  const calls = yard.audit.ofOperator(mark);
  const writes = calls.filter((call) => isWrite(call) && !isOfLease(call));
  return {
    ...spent(before, await sample(replica)),
    isAtRest,
    writes: writes.map(({ verb, resource, name }) => `${verb} ${resource} ${name}`),
    leaseWrites: calls.filter((call) => isWrite(call) && isOfLease(call)).length,
    reads: calls.filter((call) => !isWrite(call) && !isOfLease(call)).length,
  };
}
