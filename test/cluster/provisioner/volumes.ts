/** Which directories a cluster's claims ask for, and as which volume each is offered. Pure. */

interface Meta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  deletionTimestamp?: string;
}

export interface Claim {
  metadata: Meta;
  spec: {
    storageClassName?: string;
    accessModes?: string[];
    volumeMode?: string;
    volumeName?: string;
    resources?: { requests?: Record<string, string> };
  };
}

export interface Volume {
  metadata: Meta & { annotations?: Record<string, string> };
  spec: { hostPath?: { path: string }; persistentVolumeReclaimPolicy?: string };
  status?: { phase?: string };
}

export const provisionerName = 'longpo.dev/directory';
export const storageClassName = 'standard';
const provisionedBy = 'pv.kubernetes.io/provisioned-by';

/** A claim without a class gets this one. */
export const storageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name: storageClassName,
    annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
  },
  provisioner: provisionerName,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'Immediate',
};

export const needsVolume = ({ metadata, spec }: Claim): boolean =>
  spec.storageClassName === storageClassName &&
  !spec.volumeName &&
  metadata.deletionTimestamp === undefined &&
  (spec.volumeMode ?? 'Filesystem') === 'Filesystem';

/** Named after the claim's uid: doing it twice finds the first one. */
export const volumeName = ({ metadata }: Claim): string => `pvc-${metadata.uid}`;

/** Every node of a bed is this machine, so each access mode holds, ReadWriteMany included. Sizes are not enforced. */
export function volumeFor(claim: Claim, path: string) {
  const { name, namespace, uid } = claim.metadata;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName(claim), annotations: { [provisionedBy]: provisionerName } },
    spec: {
      capacity: { storage: claim.spec.resources?.requests?.storage ?? '1Gi' },
      accessModes: claim.spec.accessModes ?? ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid },
      hostPath: { path, type: 'Directory' },
    },
  };
}

/** The path of a volume of ours whose claim is gone. */
export function pathToRemove({ metadata, spec, status }: Volume): string | undefined {
  const isOurs = metadata.annotations?.[provisionedBy] === provisionerName;
  const isDone = status?.phase === 'Released' && spec.persistentVolumeReclaimPolicy === 'Delete';
  return isOurs && isDone && metadata.deletionTimestamp === undefined ? spec.hostPath?.path : undefined;
}
