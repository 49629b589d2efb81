/** A pod as the policies read it: what it left behind, why it failed, since when it runs. Pure. */
import {
  completionIndexAnnotation,
  conditionOf,
  exitCodes,
  type Pod,
  type PodResult,
  peerLost,
  podResult,
} from '@longpo/api';
import { isBeingDeleted, type Resource } from '../cluster.ts';
import { type PodWait, waitOf } from './pod-wait.ts';

export type PodResource = Pod & Resource;

export interface PodFailure {
  pod: string;
  exitCode: number;
  code: string;
  message: string;
  node?: string;
  at?: string;
}

/** A failed pod, as the restart budget reads it. Times are RFC 3339. */
export interface EndedRank {
  startedAt: string;
  /** When its container ended; when its disruption began, if that was what ended it. */
  at: string;
  /** -1 when there is none. */
  exitCode: number;
  /** It says that it only lost another rank, and nobody took it away. */
  lostPeer: boolean;
  /** false: evicted, deleted, or it asked to be started again. */
  counts: boolean;
}

/** A pod that has not ended. */
export interface ActivePod {
  name: string;
  uid: string;
  createdAt: string;
  /** Absent until its container runs. */
  startedAt?: string;
  deleting: boolean;
  /** What keeps it from starting, if that is told. */
  waits?: PodWait;
}

const container = (pod: PodResource) => pod.status?.containerStatuses?.[0];
export const terminated = (pod: PodResource) => container(pod)?.state?.terminated;

export const indexOf = (pod: PodResource): number =>
  Number(pod.metadata.annotations?.[completionIndexAnnotation] ?? 0);

/** A pod that never ran its container has no end of its own: its last transition, else its creation, stands in. */
export const finishedAt = (pod: PodResource): string =>
  terminated(pod)?.finishedAt ??
  pod.status?.conditions?.map(({ lastTransitionTime = '' }) => lastTransitionTime).reduce(later, '') ??
  '';

const later = (a: string, b: string): string => (Date.parse(b) > (Date.parse(a) || 0) ? b : a);

export const isActive = (pod: PodResource): boolean =>
  pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';

export const parseResult = (pod: PodResource): PodResult | undefined =>
  parseTerminationMessage(terminated(pod)?.message);

export function parseTerminationMessage(message: string | undefined): PodResult | undefined {
  if (message === undefined || message === '') return undefined;
  try {
    const parsed = podResult.safeParse(JSON.parse(message));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // a crash may leave text there; the exit code still tells
  }
}

export function failureOf(pod: PodResource): PodFailure {
  const ended = terminated(pod);
  const error = parseResult(pod)?.error;
  const at = finishedAt(pod);
  return {
    pod: pod.metadata.name,
    exitCode: ended?.exitCode ?? -1,
    code: error?.code ?? pod.status?.reason ?? ended?.reason ?? 'Error',
    message:
      error?.message ??
      pod.status?.message ??
      `container ended with exit code ${ended?.exitCode ?? 'unknown'}`,
    ...(pod.spec?.nodeName === undefined ? {} : { node: pod.spec.nodeName }),
    ...(at === '' ? {} : { at }),
  };
}

/** An eviction, a drain, a lost node. */
function disruptionOf({ status }: PodResource) {
  const disruption = conditionOf(status, 'DisruptionTarget');
  return disruption?.status === 'True' ? disruption : undefined;
}

/** Evicted pods, pods that ask to be started again, and pods that somebody deleted have not failed of themselves. */
export function countsTowardsLimit(pod: PodResource): boolean {
  return !isTakenAway(pod) && terminated(pod)?.exitCode !== exitCodes.tryAgain;
}

const isTakenAway = (pod: PodResource) => disruptionOf(pod) !== undefined || isBeingDeleted(pod);

export const endedRank = (pod: PodResource): EndedRank => ({
  startedAt: terminated(pod)?.startedAt ?? pod.metadata.creationTimestamp ?? '',
  // An evicted pod saves before it ends; the other ranks may be gone by then, as a consequence.
  at: disruptionOf(pod)?.lastTransitionTime ?? finishedAt(pod),
  exitCode: terminated(pod)?.exitCode ?? -1,
  lostPeer: !isTakenAway(pod) && parseResult(pod)?.error?.code === peerLost,
  counts: countsTowardsLimit(pod),
});

export function activePod(pod: PodResource): ActivePod {
  const startedAt = container(pod)?.state?.running?.startedAt;
  const waits = startedAt === undefined ? waitOf(pod) : undefined;
  return {
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? '',
    createdAt: pod.metadata.creationTimestamp ?? '',
    ...(startedAt === undefined ? {} : { startedAt }),
    deleting: isBeingDeleted(pod),
    ...(waits && { waits }),
  };
}
