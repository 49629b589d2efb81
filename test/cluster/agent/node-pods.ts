/** The pods bound to this node: each gets a life when it appears, and is let go when that has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  graceMsOf,
  kubeletTiming,
  lostStatus,
  PodLife,
  type PodResource,
  type PodStatus,
  type Runtime,
  timestamp,
} from '../../../cli/src/pod/index.ts';
import { ApiError, isNotFound } from '../../../controller/src/kubernetes/api-error.ts';
import type { CacheEvent } from '../../../controller/src/kubernetes/object-cache.ts';
import type { Transport } from '../../../controller/src/kubernetes/transport.ts';
import { podFolder } from './pod-place.ts';
import { statusPatch, strategicMerge } from './status-patch.ts';
import { removeFolder } from './volumes.ts';

export interface NodePodsOptions {
  api: Pick<Transport, 'call'>;
  runtime: Runtime;
  nodeName: string;
  runFolder: string;
  onError(error: unknown): void;
}

const pathOf = ({ metadata: { namespace, name } }: PodResource) =>
  `/api/v1/namespaces/${namespace}/pods/${name}`;
const hasEnded = ({ status }: PodResource) => status?.phase === 'Succeeded' || status?.phase === 'Failed';

export class NodePods {
  readonly #options: NodePodsOptions;
  readonly #lives = new Map<string, { pod: PodResource; life: PodLife }>();
  /** Grace period, in ms, of each pod that is being ended. */
  readonly #grace = new Map<string, number>();

  constructor(options: NodePodsOptions) {
    this.#options = options;
  }

  find(namespace: string, name: string): { pod: PodResource; life: PodLife } | undefined {
    return [...this.#lives.values()].find(
      ({ pod: { metadata } }) => metadata.namespace === namespace && metadata.name === name,
    );
  }

  handle({ type, object: pod }: CacheEvent<PodResource>): void {
    const uid = pod.metadata.uid ?? '';
    if (type === 'DELETED') {
      this.#forget(uid).catch(this.#options.onError);
      return;
    }
    const known = this.#lives.get(uid);
    if (known) {
      known.pod = pod;
      known.life.update(pod);
    }
    if (pod.metadata.deletionTimestamp !== undefined) this.#remove(pod).catch(this.#options.onError);
    else if (known === undefined && !hasEnded(pod)) this.#begin(pod);
  }

  /** A pod that has a start time but no life here ran under an agent that is gone, and died with it. */
  #begin(pod: PodResource): void {
    const uid = pod.metadata.uid ?? '';
    if (pod.status?.startTime !== undefined) {
      const status = lostContainers(
        pod,
        lostStatus('the node agent was restarted while the pod ran', new Date()),
      );
      this.#report(pod, status).catch(this.#options.onError);
      return;
    }
    const { runtime, onError } = this.#options;
    const life = new PodLife({
      pod,
      runtime,
      timing: kubeletTiming,
      report: (status) => this.#report(this.#lives.get(uid)?.pod ?? pod, status),
      warn: (reason, message) => this.#warn(pod, reason, message),
    });
    life.ended.catch(onError);
    this.#lives.set(uid, { pod, life });
  }

  /** Each write to a pod that is being deleted comes by here: only the first counts, and a shorter grace period. */
  async #remove(pod: PodResource): Promise<void> {
    const { uid = '', deletionGracePeriodSeconds: seconds } = pod.metadata;
    const grace = seconds === undefined ? graceMsOf(pod) : seconds * 1000;
    const before = this.#grace.get(uid);
    if (before !== undefined && before <= grace) return;
    this.#grace.set(uid, grace);
    await this.#lives.get(uid)?.life.stop(grace);
    if (before === undefined) await this.#deleteObject(pod);
  }

  /** Until it is done: nobody else ends the deletion of a pod that has ended. */
  async #deleteObject(pod: PodResource): Promise<void> {
    const preconditions = { uid: pod.metadata.uid };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions };
    for (;;) {
      try {
        await this.#options.api.call('DELETE', pathOf(pod), { body });
        return;
      } catch (error) {
        // Gone, or already another pod of that name: what was asked for.
        if (error instanceof ApiError && [404, 409].includes(error.status)) return;
        this.#options.onError(error);
        await sleep(kubeletTiming.retryMs);
      }
    }
  }

  /** Logs can be read for as long as there is a Pod object. */
  async #forget(uid: string): Promise<void> {
    await this.#lives.get(uid)?.life.stop(0);
    this.#lives.delete(uid);
    this.#grace.delete(uid);
    removeFolder(podFolder(this.#options.runFolder, uid));
  }

  async #report(pod: PodResource, status: PodStatus): Promise<void> {
    const options = { body: statusPatch(pod, status), contentType: strategicMerge, repeatable: true };
    try {
      await this.#options.api.call('PATCH', `${pathOf(pod)}/status`, options);
    } catch (error) {
      // The object is gone, another one, or refuses what we say: trying again would not help.
      if (isNotFound(error) || (error instanceof ApiError && error.status === 409)) return;
      this.#options.onError(error);
      if (!(error instanceof ApiError && error.status === 422)) throw error;
    }
  }

  #warn({ metadata: { name, namespace, uid } }: PodResource, reason: string, message: string): void {
    const now = timestamp(new Date());
    const body = {
      metadata: { generateName: `${name}-`, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
      source: { component: 'kubelet', host: this.#options.nodeName },
      ...{ reason, message: message.slice(0, 1024), type: 'Warning', count: 1 },
      ...{ firstTimestamp: now, lastTimestamp: now },
    };
    this.#options.api
      .call('POST', `/api/v1/namespaces/${namespace}/events`, { body })
      .catch(this.#options.onError);
  }
}

/** What ran has ended, nobody saw how. */
function lostContainers(pod: PodResource, status: PodStatus): PodStatus {
  const terminated = { exitCode: 137, reason: 'ContainerStatusUnknown', message: status.message ?? '' };
  const containerStatuses = pod.status?.containerStatuses?.map((container) => ({
    ...container,
    ready: false,
    started: false,
    state: container.state?.terminated ? container.state : { terminated },
  }));
  const lastTransitionTime = timestamp(new Date());
  const ended = (type: string) => ({ type, status: 'False', reason: 'PodFailed', lastTransitionTime });
  return {
    ...status,
    conditions: [
      ...(status.conditions ?? []),
      ended('Ready'),
      ended('ContainersReady'),
      { type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime },
    ],
    ...(containerStatuses && { containerStatuses }),
  };
}
