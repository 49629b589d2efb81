/**
 * The only writer of the reconcilers: patches and removals, then children in the plan's order; then one status, then
 * events. What stops or ends something comes first and waits for nothing, whatever becomes of what is to start.
 */
import { desiredHashAnnotation } from '@longpo/api';
import {
  type Cluster,
  ClusterError,
  claims,
  fieldManagers,
  isBeingDeleted,
  isReason,
  jobs,
  type Reader,
  type Resource,
  refOf,
} from '../cluster.ts';
import type { Logger } from '../logger.ts';
import { hasDrifted } from './drift.ts';
import { messageOf, reasonOf } from './failed-status.ts';
import type { Plan } from './plan.ts';

/** One write that a plan needs. */
export interface Change {
  did: string;
  child: string;
  why?: string;
  /** Only when all before it of this kind are done: a Job needs its claim, pods their policy. */
  inTurn?: true;
  carryOut(cluster: Cluster): Promise<void>;
}

const nameOf = ({ kind, name }: { kind: string; name: string }) => `${kind}/${name}`;

/** Their specs are immutable, and others own parts of them afterwards: a queue of a Job, a provisioner of a claim. */
const isMadeOnce = ({ kind }: Resource): boolean => kind === jobs.kind || kind === claims.kind;

/** What of a plan is not so yet, as far as the reader knows; nothing at rest. */
export async function changesOf(reader: Reader, plan: Plan): Promise<Change[]> {
  const applied = await Promise.all(plan.apply.map((desired) => changeTo(reader, desired)));
  const merged = (plan.merge ?? []).map((merge): Change => {
    const { patch, preconditions, why, ...ref } = merge;
    const carryOut = (cluster: Cluster) => cluster.merge(ref, patch, preconditions);
    return { did: 'patched', child: nameOf(ref), why, carryOut };
  });
  const removed = plan.remove.map(({ preconditions, ...ref }): Change => {
    const carryOut = (cluster: Cluster) => cluster.remove(ref, preconditions);
    return { did: 'removed', child: nameOf(ref), carryOut };
  });
  return [...merged, ...removed, ...applied.flat().map((change): Change => ({ ...change, inTurn: true }))];
}

async function changeTo(reader: Reader, desired: Resource): Promise<Change[]> {
  const child = nameOf(refOf(desired));
  const isClaim = desired.kind === claims.kind;
  // A Job is only wanted when there is none, and what else may have its name shows when it is made.
  const current = desired.kind === jobs.kind ? undefined : await reader.get(refOf(desired));
  if (isMadeOnce(desired)) {
    if (isClaim && current !== undefined) return [];
    return [{ did: 'created', child, carryOut: (cluster) => createOnce(cluster, desired) }];
  }
  // On its way out: it cannot be kept, and once it is gone its event brings us back.
  if (current !== undefined && isBeingDeleted(current) && isOurs(current, desired)) return [];
  const isDrifted = current !== undefined && hasDrifted(current, desired, fieldManagers.controller);
  const isKept = current !== undefined && hashOf(current) === hashOf(desired) && !isDrifted;
  if (isKept && isOurs(current, desired)) return [];
  const carryOut = async (cluster: Cluster) => {
    if (current !== undefined) refuseForeign(current, desired);
    await (isDrifted ? restore(cluster, desired) : cluster.apply(desired, fieldManagers.controller));
  };
  return [{ did: 'applied', child, ...(isDrifted && { why: 'changed by others' }), carryOut }];
}

/**
 * An entry of a list that got another key, as the port of a Service, is no longer ours: applied again ours stands beside
 * it, and the API server may refuse the two. Lists are then written as a whole first.
 */
async function restore(cluster: Cluster, desired: Resource): Promise<void> {
  const apply = () => cluster.apply(desired, fieldManagers.controller);
  try {
    await apply();
  } catch (error) {
    if (reasonOf(error) !== 'Invalid') throw error;
    const { apiVersion: _, kind: __, metadata: ___, ...content } = desired;
    await cluster.merge(refOf(desired), content);
    await apply();
  }
}

const hashOf = (object: Resource) => object.metadata.annotations?.[desiredHashAnnotation];

function isOurs(current: Resource, desired: Resource): boolean {
  const owner = desired.metadata.ownerReferences?.[0]?.uid;
  return current.metadata.ownerReferences?.some(({ uid }) => uid === owner) ?? false;
}

/** Names are deterministic, so somebody else's object may have one of ours: it is not for us to change. */
function refuseForeign(current: Resource, desired: Resource): void {
  if (isOurs(current, desired)) return;
  const what = `${current.kind}/${current.metadata.name}`;
  throw new ClusterError('NameTaken', `${what} exists already and belongs to something else`);
}

/** Made by an earlier try of ours, it is what we want; a claim is, whoever made it. */
async function createOnce(cluster: Cluster, desired: Resource): Promise<void> {
  try {
    await cluster.create(desired, fieldManagers.controller);
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error;
    if (desired.kind === claims.kind) return;
    const current = await cluster.live.get(refOf(desired));
    if (current !== undefined) refuseForeign(current, desired);
  }
}

interface Failure {
  child: string;
  error: unknown;
}

/** Tries whatever does not wait for something that failed. Throws one of the errors; the others are logged. */
export async function carryOut(cluster: Cluster, changes: Change[], logger: Logger): Promise<void> {
  const failures: Failure[] = [];
  let isTurn = true;
  for (const { did, child, why, inTurn, carryOut } of changes) {
    if (inTurn && !isTurn) continue;
    try {
      await carryOut(cluster);
      logger.info(did, { child, ...(why === undefined ? {} : { why }) });
    } catch (error) {
      failures.push({ child, error });
      if (inTurn) isTurn = false;
    }
  }
  throwOneOf(failures, logger);
}

function throwOneOf(failures: Failure[], logger: Logger): void {
  // A conflict passes by itself and is not told, so that it must not stand for one that lasts.
  const thrown = failures.find(({ error }) => !isReason(error, 'Conflict')) ?? failures[0];
  for (const failure of failures) {
    const { child, error } = failure;
    if (failure !== thrown) logger.error('not changed', { child, error: messageOf(error) });
  }
  if (thrown !== undefined) throw thrown.error;
}

/** Only on the object as it was read: a view that is behind must not overwrite what came since. */
export async function writeStatus(
  cluster: Cluster,
  object: Resource,
  plan: Pick<Plan, 'status' | 'events'>,
  logger: Logger,
): Promise<void> {
  const { resourceVersion } = object.metadata;
  const preconditions = resourceVersion === undefined ? {} : { resourceVersion };
  await cluster.patchStatus(refOf(object), plan.status, fieldManagers.controller, preconditions);
  for (const event of plan.events ?? []) {
    logger.info('event', { ...event });
    await cluster.record(object, event);
  }
}
