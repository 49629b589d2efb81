/** Labels, owner references and the hash that every child carries. */
import { createHash } from 'node:crypto';
import { desiredHashAnnotation, labels, managedByLongpo, type OwnerReference } from '@longpo/api';
import type { Resource } from '../cluster.ts';

export interface Owner {
  apiVersion: string;
  kind: string;
  name: string;
  namespace: string;
  uid: string;
}

export function ownerReference({ apiVersion, kind, name, uid }: Owner): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

export const managedLabels = { [labels.managedBy]: managedByLongpo } as const;

/** Hash of what we want, so that a changed wish can be told from what the cluster filled in. */
export const desiredHash = (object: object): string =>
  createHash('sha256').update(JSON.stringify(object)).digest('hex').slice(0, 16);

export function withDesiredHash<T extends Resource>(object: T): T {
  const annotations = { ...object.metadata.annotations, [desiredHashAnnotation]: desiredHash(object) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}
