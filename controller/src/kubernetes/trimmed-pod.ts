/** Of each pod, what decisions are made from: there may be ten thousand, and most of a pod is its spec. */
import type { Pod } from '@longpo/api';
import type { Resource } from '../cluster.ts';

type PodResource = Pod & Resource;

/** Keeps identity, labels, annotations and owners, the node, the GPUs asked for, and how it goes with every container. */
export function trimmedPod(pod: PodResource): PodResource {
  const { apiVersion, kind, metadata, spec, status } = pod;
  const containers = (spec?.containers ?? []).map(({ name, image, resources }) => ({
    name,
    ...(image && { image }),
    ...(resources && { resources }),
  }));
  const kept = {
    phase: status?.phase,
    reason: status?.reason,
    message: status?.message,
    conditions: status?.conditions,
    startTime: status?.startTime,
    podIP: status?.podIP,
    initContainerStatuses: status?.initContainerStatuses,
    containerStatuses: status?.containerStatuses,
  };
  return {
    apiVersion,
    kind,
    metadata,
    spec: { containers, ...(spec?.nodeName && { nodeName: spec.nodeName }) },
    status: withoutUndefined(kept),
  };
}

const withoutUndefined = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [key in keyof T]?: Exclude<T[key], undefined>;
  };
