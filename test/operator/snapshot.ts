/** A namespace at rest, without what differs between two runs that went equally well: times, ids, random names. */
import type { Transport } from '../../controller/src/kubernetes/transport.ts';

interface Thing {
  kind: string;
  metadata: {
    name: string;
    uid: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { kind: string; name: string; uid: string }[];
  };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

const collections = {
  LongPOTraining: '/apis/longpo.dev/v1alpha1/namespaces/*/longpotrainings',
  LongPOServing: '/apis/longpo.dev/v1alpha1/namespaces/*/longposervings',
  Job: '/apis/batch/v1/namespaces/*/jobs',
  Pod: '/api/v1/namespaces/*/pods',
  Service: '/api/v1/namespaces/*/services',
  PersistentVolumeClaim: '/api/v1/namespaces/*/persistentvolumeclaims',
  Deployment: '/apis/apps/v1/namespaces/*/deployments',
  PodDisruptionBudget: '/apis/policy/v1/namespaces/*/poddisruptionbudgets',
  NetworkPolicy: '/apis/networking.k8s.io/v1/namespaces/*/networkpolicies',
} as const;

export async function listAll(api: Transport, namespace: string): Promise<Thing[]> {
  const lists = await Promise.all(
    Object.entries(collections).map(async ([kind, path]) => {
      const list = (await api.call('GET', path.replace('*', namespace))) as { items: Thing[] };
      return list.items.map((item) => ({ ...item, kind }));
    }),
  );
  return lists.flat();
}

export interface Snapshot {
  objects: string[];
  /** Objects whose owner is gone or another one. */
  orphans: string[];
  status: unknown;
}

export function snapshotOf(things: Thing[], namespace: string): Snapshot {
  const uids = new Map(things.map(({ kind, metadata }) => [`${kind}/${metadata.name}`, metadata.uid]));
  // Owned by what we do not list: a ReplicaSet owns the pods of a Deployment, which the cluster looks after.
  const isOrphan = ({ metadata }: Thing) =>
    metadata.ownerReferences?.some(
      ({ kind, name, uid }) => kind in collections && uids.get(`${kind}/${name}`) !== uid,
    );
  const training = things.find(({ kind }) => kind === 'LongPOTraining');
  return {
    objects: things
      .filter(({ kind, status }) => kind !== 'Pod' || status?.phase !== 'Failed')
      .map(lineOf)
      .toSorted(),
    orphans: things.filter(isOrphan).map(lineOf),
    status: JSON.parse(withoutTimes(training?.status ?? {}).replaceAll(namespace, 'NAMESPACE')),
  };
}

function lineOf({ kind, metadata, status, spec }: Thing): string {
  const conditions = (status?.conditions as { type: string; status: string }[] | undefined) ?? [];
  if (kind === 'Pod') return `Pod ${stableName(metadata.name)} ${String(status?.phase)}`;
  if (kind === 'Job')
    return `Job ${metadata.name} succeeded=${String(status?.succeeded)} failed=${String(status?.failed ?? 0)} suspended=${String(spec?.suspend ?? false)}`;
  if (kind === 'LongPOServing' || kind === 'Deployment') {
    const ready = conditions.find(({ type }) => type === 'Ready' || type === 'Available');
    return `${kind} ${metadata.name} ${ready?.status}`;
  }
  return `${kind} ${metadata.name}`;
}

/** Pods of Jobs end in a random word, those of Deployments in a hash and one. */
export const stableName = (name: string): string =>
  name.replace(/-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[a-z0-9]{5}$/, '-*').replace(/-[a-z0-9]{5}$/, '-*');

function withoutTimes(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (/(Time|At|Since|Seconds)$/.test(key)) return undefined;
    if (key === 'observedGeneration') return undefined;
    return inner;
  });
}
