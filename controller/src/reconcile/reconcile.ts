/**
 * One reconcile of any kind. What the watches have seen decides whether there is something to do; before a child is
 * written, or an end or a new attempt is told, the API server itself is asked and the decision made again on its answer.
 * So an old view can delay the controller but not mislead it, nor those who wait for the end.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Cluster, isReason, type Reader, type Resource, type ResourceRef } from '../cluster.ts';
import type { Logger } from '../logger.ts';
import { isNewAttempt } from '../policies/attempt.ts';
import { isNewEnd } from '../policies/condition.ts';
import { carryOut, changesOf, writeStatus } from './act.ts';
import { failedStatus } from './failed-status.ts';
import type { Plan } from './plan.ts';
import type { RecentWrites } from './recent-writes.ts';

export interface Kind<Subject> {
  /** Undefined when the object is gone or going. */
  observe(reader: Reader, ref: ResourceRef): Promise<Subject | undefined>;
  decide(subject: Subject, now: Date): Plan;
  /** The fields of the status that the reconciler writes. */
  statusOf(object: Resource): object | undefined;
}

export interface ReconcileContext {
  cluster: Cluster;
  logger: Logger;
  now(): Date;
  /** Kept over all reconciles of a process; without it nothing is remembered. */
  recent?: RecentWrites;
}

export interface Reconciled {
  /** The object is gone or going. */
  gone?: true;
  requeueAfterSeconds?: number;
}

/** Somebody wrote between our reading and our writing; their event brings us back, or this does. */
const conflictSeconds = 1;

export async function reconcile<Subject>(
  kind: Kind<Subject>,
  ref: ResourceRef,
  context: ReconcileContext,
): Promise<Reconciled> {
  const seen: Seen = {};
  try {
    return await reconcileTwice(kind, ref, context, seen);
  } catch (error) {
    if (isReason(error, 'Conflict')) return { requeueAfterSeconds: conflictSeconds };
    await reportFailure(kind, context, seen, error);
    throw error;
  }
}

/** What a reconcile came to know before it failed. */
interface Seen {
  object?: Resource;
  plan?: Plan;
  /** Object and plan are of the API server itself. */
  isLive?: true;
}

async function reconcileTwice<Subject>(
  kind: Kind<Subject>,
  ref: ResourceRef,
  context: ReconcileContext,
  seen: Seen,
): Promise<Reconciled> {
  const { cluster } = context;
  const look = async (reader: Reader) => {
    const subject = await kind.observe(remembering(reader, ref, seen), ref);
    if (subject === undefined) return undefined;
    seen.plan = kind.decide(subject, context.now());
    return { plan: seen.plan, changes: await changesOf(reader, seen.plan) };
  };
  let decided = await look(cluster);
  const before = seen.object && kind.statusOf(seen.object);
  const isToBeSure =
    decided && (isNewEnd(before, decided.plan.status) || isNewAttempt(before, decided.plan.status));
  if (decided !== undefined && (decided.changes.length > 0 || isToBeSure)) {
    decided = await look(cluster.live);
    seen.isLive = true;
    await carryOut(cluster, decided?.changes ?? [], loggerOf(context, seen));
  }
  if (decided === undefined || seen.object === undefined) {
    if (seen.object) context.recent?.forget(seen.object);
    return { gone: true };
  }
  const { plan } = decided;
  const { object } = seen;
  if (!isDeepStrictEqual(kind.statusOf(object), plan.status)) {
    const wait = context.recent?.waitFor(object, context.now());
    if (wait !== undefined) return { requeueAfterSeconds: wait };
    await writeStatus(cluster, object, plan, loggerOf(context, seen));
    context.recent?.note(object, context.now());
  }
  const { requeueAfterSeconds } = plan;
  return requeueAfterSeconds === undefined ? {} : { requeueAfterSeconds };
}

/** A line about a change says which generation of the object it follows from. */
const loggerOf = ({ logger }: ReconcileContext, { object }: Seen): Logger =>
  logger.child({ generation: object?.metadata.generation });

/** Keeps the object itself as it was read, for its status and its version. */
function remembering(reader: Reader, ref: ResourceRef, seen: Seen): Reader {
  return {
    async get(wanted) {
      const object = await reader.get(wanted);
      if (object !== undefined && wanted.kind === ref.kind && wanted.name === ref.name) seen.object = object;
      return object;
    },
    list: (type, namespace, labels) => reader.list(type, namespace, labels),
  };
}

async function reportFailure<Subject>(
  kind: Kind<Subject>,
  { cluster, logger, now }: ReconcileContext,
  { object, plan, isLive }: Seen,
  error: unknown,
): Promise<void> {
  if (object === undefined) return;
  const current = kind.statusOf(object);
  // What was decided is true of what is there, also when not all of it could be done; an old view may not be.
  const decided = isLive ? plan : undefined;
  const base = decided?.status ?? current ?? plan?.status ?? {};
  const status = failedStatus(base, current, error, object.metadata.generation ?? 0, now());
  if (isDeepStrictEqual(current, status)) return;
  try {
    await writeStatus(cluster, object, { status, events: decided?.events ?? [] }, logger);
  } catch {
    // The first error is the one to tell, and its retry writes the status again.
  }
}
