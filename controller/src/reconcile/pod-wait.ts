/** What keeps a pod from starting, as the kubelet or the scheduler tells it: both reconcilers explain with it. Pure. */
import { conditionOf, type Pod } from '@longpo/api';

export interface PodWait {
  /** The teller's own: ImagePullBackOff, CreateContainerConfigError, Unschedulable ... */
  reason: string;
  /** The teller's own; empty where it gave none. */
  message: string;
  /** RFC 3339: since when it is not scheduled, or, as no container dates its waiting, since its node knows of it. */
  since: string;
}

/** Reasons of a container that is on its way are no trouble. */
const ordinary = new Set(['ContainerCreating', 'PodInitializing']);

/** Undefined when it runs, has ended, or is only on its way. */
export function waitOf({ metadata, status }: Pod): PodWait | undefined {
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const waiting = containers
    .flatMap(({ state }) => state?.waiting ?? [])
    .find(({ reason }) => reason !== undefined && !ordinary.has(reason));
  const since = (type: string) =>
    conditionOf(status, type)?.lastTransitionTime ?? metadata?.creationTimestamp ?? '';
  if (waiting?.reason !== undefined)
    return { reason: waiting.reason, message: waiting.message ?? '', since: since('Ready') };
  const scheduled = conditionOf(status, 'PodScheduled');
  if (scheduled?.status !== 'False') return undefined;
  const { reason = 'Unschedulable', message = '' } = scheduled;
  return { reason, message, since: since('PodScheduled') };
}
