/** From the SIGKILL of the leader to what its follower writes. */
import type { OperatorProcess } from '../../test/operator/operator-process.ts';
import { isOfLease, isWrite } from './api-call.ts';
import { waitingTraining } from './trainings.ts';
import type { Yard } from './yard.ts';

export interface Failover {
  /** Until the API server had answered the follower's taking of the lease. */
  leaseMs: number;
  /** Until it had answered the first write of a reconcile: a training is made right after the kill. */
  writeMs: number;
}

const limitMs = 120_000;

/** Ends with the follower as the leader; the lease is the operator's default one of 15 s, asked for every 2 s. */
export async function measureFailover(
  yard: Yard,
  leader: OperatorProcess,
  [namespace, name]: [string, string],
): Promise<Failover & { follower: OperatorProcess }> {
  const follower = yard.startReplica();
  await follower.logged('synced');
  await yard.untilQuiet(2000, limitMs);
  const killedMs = performance.timeOrigin + performance.now();
  await leader.kill();
  // What the dead one had sent may still be answered.
  const mark = yard.audit.mark;
  await yard.create(waitingTraining(namespace, name));
  await yard.audit.until(
    (calls) => calls.some((call) => call.verb === 'create' && call.name.startsWith(`${name}-`)),
    {
      limitMs,
    },
  );
  const writes = yard.audit.ofOperator(mark).filter((call) => isWrite(call) && call.status < 300);
  const after = (isWanted: (call: (typeof writes)[number]) => boolean) =>
    (writes.find(isWanted)?.answeredMs ?? Number.NaN) - killedMs;
  return { leaseMs: after(isOfLease), writeMs: after((call) => !isOfLease(call)), follower };
}
