import type { Pod } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../cluster.ts';
import { trimmedPod } from '../kubernetes/trimmed-pod.ts';
import { waitOf } from './pod-wait.ts';

type Status = NonNullable<Pod['status']>;
type PodCondition = NonNullable<Status['conditions']>[number];

const [made, given] = ['2026-11-24T11:00:00Z', '2026-11-24T11:01:00Z'];
const condition = (type: string, status: string, more: Partial<PodCondition> = {}): PodCondition => ({
  type,
  status,
  lastTransitionTime: given,
  ...more,
});
const container = (state: object) => ({
  name: 'train',
  image: 'x',
  imageID: '',
  ready: false,
  restartCount: 0,
  state,
});
const waiting = (reason: string, message?: string) =>
  container({ waiting: { reason, ...(message && { message }) } });
const onNode = [condition('PodScheduled', 'True'), condition('Ready', 'False')];

function makePod(status: Status): Pod & Resource {
  const metadata = { name: 'pod-0', namespace: 'research', creationTimestamp: made };
  return { apiVersion: 'v1', kind: 'Pod', metadata, status: { phase: 'Pending', ...status } };
}

describe('waitOf', () => {
  it.each<[name: string, status: Status, wait: ReturnType<typeof waitOf>]>([
    ['only just made', {}, undefined],
    ['given to its node', { conditions: onNode }, undefined],
    [
      'its container is being made',
      { conditions: onNode, containerStatuses: [waiting('ContainerCreating')] },
      undefined,
    ],
    [
      'its container waits for those before',
      { conditions: onNode, containerStatuses: [waiting('PodInitializing')] },
      undefined,
    ],
    ['it runs', { conditions: onNode, containerStatuses: [container({ running: {} })] }, undefined],
    [
      'no node fits',
      {
        conditions: [
          condition('PodScheduled', 'False', {
            reason: 'Unschedulable',
            message: '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.',
          }),
        ],
      },
      {
        reason: 'Unschedulable',
        message: '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.',
        since: given,
      },
    ],
    [
      'a secret is missing',
      {
        conditions: onNode,
        containerStatuses: [waiting('CreateContainerConfigError', 'secret "hf" not found')],
      },
      { reason: 'CreateContainerConfigError', message: 'secret "hf" not found', since: given },
    ],
    [
      'the image name is none, and nothing is dated',
      { containerStatuses: [waiting('InvalidImageName')] },
      { reason: 'InvalidImageName', message: '', since: made },
    ],
    [
      'the image of a container before its own cannot be pulled',
      {
        conditions: onNode,
        initContainerStatuses: [waiting('ErrImagePull', 'not found')],
        containerStatuses: [waiting('PodInitializing')],
      },
      { reason: 'ErrImagePull', message: 'not found', since: given },
    ],
  ])('tells what keeps a pod from starting, also of a trimmed one: %s', (_, status, wait) => {
    const pod = makePod(status);
    expect([waitOf(pod), waitOf(trimmedPod(pod))]).toEqual([wait, wait]);
  });
});
