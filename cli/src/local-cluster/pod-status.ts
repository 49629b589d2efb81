/** Pod statuses as a kubelet writes them. Pure. */
import type { Pod } from '@longpo/api';
import type { PodResource } from './pod-env.ts';

type Status = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<Status['containerStatuses']>[number];

function container(pod: PodResource, restartCount: number, rest: Partial<ContainerStatus>): ContainerStatus {
  const name = pod.spec?.containers[0]?.name ?? '';
  const image = pod.spec?.containers[0]?.image ?? '';
  return { name, image, imageID: image, ready: false, restartCount, ...rest };
}

const lastState = (pod: PodResource): Partial<ContainerStatus> => {
  const before = pod.status?.containerStatuses?.[0];
  const terminated = before?.state?.terminated ?? before?.lastState?.terminated;
  return terminated === undefined ? {} : { lastState: { terminated } };
};

export function waitingStatus(pod: PodResource, restarts: number): Status {
  return {
    phase: 'Pending',
    containerStatuses: [
      container(pod, restarts, { state: { waiting: { reason: 'ContainerCreating' } }, ...lastState(pod) }),
    ],
  };
}

export function runningStatus(pod: PodResource, restarts: number, now: Date): Status {
  return {
    phase: 'Running',
    startTime: now.toISOString(),
    containerStatuses: [
      container(pod, restarts, { state: { running: { startedAt: now.toISOString() } }, ...lastState(pod) }),
    ],
  };
}

export function terminatedStatus(
  pod: PodResource,
  restarts: number,
  exitCode: number,
  message: string,
  now: Date,
): Status {
  const terminated = {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    finishedAt: now.toISOString(),
    ...(message === '' ? {} : { message }),
  };
  const restartsAgain = pod.spec?.restartPolicy === 'Always';
  return {
    phase: restartsAgain ? 'Running' : exitCode === 0 ? 'Succeeded' : 'Failed',
    containerStatuses: [container(pod, restarts, { state: { terminated } })],
    ...(restartsAgain ? { conditions: [{ type: 'Ready', status: 'False' }] } : {}),
  };
}

/** The disruption does not count towards a Job's limits (podFailurePolicy). */
export function failedByLostNode(now: Date): Status {
  return {
    phase: 'Failed',
    reason: 'NodeLost',
    message: 'the local cluster ended while the pod ran',
    conditions: [
      {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByTaintManager',
        lastTransitionTime: now.toISOString(),
      },
    ],
  };
}

export function withReadiness(status: Status, ready: boolean): Status {
  const containerStatuses = (status.containerStatuses ?? []).map((entry) => ({ ...entry, ready }));
  return { ...status, containerStatuses, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
}
