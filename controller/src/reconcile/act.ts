/** The only writer of the reconcilers: children first, removals, then one status patch if the status changed. */
import { isDeepStrictEqual } from 'node:util';
import { desiredHashAnnotation } from '@longpo/api';
import {
  type Cluster,
  fieldManagers,
  isBeingDeleted,
  type Resource,
  type ResourceRef,
  refOf,
} from '../cluster.ts';
import type { Logger } from '../logger.ts';
import type { Plan } from './plan.ts';

/** Jobs are made once: their template is immutable, and a queue controller owns parts of them afterwards. */
function isUpToDate(current: Resource | undefined, desired: Resource): boolean {
  if (current === undefined) return false;
  // On its way out: it cannot be kept, and once it is gone its event brings us back.
  if (isBeingDeleted(current)) return true;
  if (desired.kind === 'Job') return true;
  const hash = (object: Resource) => object.metadata.annotations?.[desiredHashAnnotation];
  return hash(current) === hash(desired);
}

/** Names are deterministic, so somebody else's object may have one of ours: it is not for us to change. */
function refuseForeign(current: Resource, desired: Resource): void {
  const owner = desired.metadata.ownerReferences?.[0]?.uid;
  if (current.metadata.ownerReferences?.some(({ uid }) => uid === owner)) return;
  throw new Error(`${current.kind}/${current.metadata.name} exists already and belongs to something else`);
}

export async function act(
  cluster: Cluster,
  ref: ResourceRef,
  currentStatus: object | undefined,
  plan: Plan,
  logger: Logger,
): Promise<void> {
  for (const desired of plan.apply) {
    const child = refOf(desired);
    const current = await cluster.get(child);
    if (current !== undefined) refuseForeign(current, desired);
    if (isUpToDate(current, desired)) continue;
    await cluster.apply(desired, fieldManagers.controller);
    logger.info('applied', { child: `${child.kind}/${child.name}` });
  }
  for (const child of plan.remove) {
    const current = await cluster.get(child);
    if (current === undefined || isBeingDeleted(current)) continue;
    await cluster.remove(child);
    logger.info('removed', { child: `${child.kind}/${child.name}` });
  }
  if (!isDeepStrictEqual(currentStatus, plan.status))
    await cluster.patchStatus(ref, plan.status, fieldManagers.controller);
}
