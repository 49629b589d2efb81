/** The PersistentVolumeClaim of a training that asks for one by size. Pure. */
import type { LongPOTrainingSpec } from '@longpo/api';
import type { Resource } from '../cluster.ts';
import { managedLabels, type Owner, ownerReference } from './ownership.ts';

/** Undefined when the claim is somebody else's to make. It outlives the training unless whenDeleted says otherwise. */
export function buildClaim(
  { claimName, size, storageClassName, whenDeleted }: LongPOTrainingSpec['storage'],
  owner: Owner,
): (Resource & { spec: object }) | undefined {
  if (size === undefined) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName,
      namespace: owner.namespace,
      labels: { ...managedLabels },
      ...(whenDeleted === 'Delete' ? { ownerReferences: [ownerReference(owner)] } : {}),
    },
    spec: {
      accessModes: ['ReadWriteMany'],
      resources: { requests: { storage: size } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  };
}
