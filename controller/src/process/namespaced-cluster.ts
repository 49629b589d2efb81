/** Several namespaces as one cluster, for an operator that has rights in those alone. What lies outside is not there. */
import { type Cluster, ClusterError, type Reader, type ResourceType, type WatchEvent } from '../cluster.ts';

export function namespacedCluster(parts: ReadonlyMap<string, Cluster>): Cluster {
  const within = (namespace: string): Cluster => {
    const part = parts.get(namespace);
    if (part !== undefined) return part;
    throw new ClusterError('NotFound', `namespace ${namespace} is not one that this operator watches`);
  };
  const reader = (of: (part: Cluster) => Reader): Reader => ({
    async get(ref) {
      const part = parts.get(ref.namespace);
      return part && of(part).get(ref);
    },
    async list(type, namespace, labels) {
      const part = parts.get(namespace);
      return part === undefined ? [] : of(part).list(type, namespace, labels);
    },
  });
  return {
    ...reader((part) => part),
    live: reader((part) => part.live),
    async watch(type: ResourceType, onEvent: (event: WatchEvent) => void) {
      const ends = await Promise.all([...parts.values()].map((part) => part.watch(type, onEvent)));
      return () => {
        for (const end of ends) end();
      };
    },
    create: async (object, manager) => within(object.metadata.namespace).create(object, manager),
    apply: async (object, manager) => within(object.metadata.namespace).apply(object, manager),
    merge: async (ref, ...rest) => within(ref.namespace).merge(ref, ...rest),
    remove: async (ref, ...rest) => within(ref.namespace).remove(ref, ...rest),
    patchStatus: async (ref, ...rest) => within(ref.namespace).patchStatus(ref, ...rest),
    record: async (about, event) => parts.get(about.metadata.namespace)?.record(about, event),
  };
}
