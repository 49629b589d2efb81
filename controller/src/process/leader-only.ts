/** A cluster that is written to only while this replica leads. A lease does not fence; this makes the gap small. */
import { type Cluster, ClusterError } from '../cluster.ts';

export function leaderOnly(cluster: Cluster, isLeader: () => boolean): Cluster {
  const guard =
    <A extends unknown[]>(write: (...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      if (!isLeader()) throw new ClusterError('NotLeader', 'nothing was written: this replica does not lead');
      return write(...args);
    };
  return {
    live: cluster.live,
    get: (ref) => cluster.get(ref),
    list: (...args) => cluster.list(...args),
    watch: (...args) => cluster.watch(...args),
    create: guard((...args) => cluster.create(...args)),
    apply: guard((...args) => cluster.apply(...args)),
    merge: guard((...args) => cluster.merge(...args)),
    remove: guard((...args) => cluster.remove(...args)),
    patchStatus: guard((...args) => cluster.patchStatus(...args)),
    // Never worth failing for, by its contract.
    record: async (...args) => {
      if (isLeader()) await cluster.record(...args);
    },
  };
}
