/** Where the objects that we use are found. A table instead of discovery: it saves calls, and the RBAC rules say the same. */
import { kinds } from '@longpo/api';
import type { ResourceRef, ResourceType } from '../cluster.ts';

const plurals: Record<string, string> = {
  [kinds.training.kind]: kinds.training.plural,
  [kinds.serving.kind]: kinds.serving.plural,
  Job: 'jobs',
  Pod: 'pods',
  Service: 'services',
  Deployment: 'deployments',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  PodDisruptionBudget: 'poddisruptionbudgets',
  NetworkPolicy: 'networkpolicies',
  ServiceAccount: 'serviceaccounts',
  Event: 'events',
  Lease: 'leases',
};

/** Names come from people and from pods; one with a slash or with two dots would lead to another object. */
const nameInPath = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

function part(name: string): string {
  if (!nameInPath.test(name) || name.includes('..')) throw new Error(`"${name}" is no name of an object`);
  return name;
}

/** The collection, in one namespace or in all. */
export function collectionPath({ apiVersion, kind }: ResourceType, namespace?: string): string {
  const plural = plurals[kind];
  if (plural === undefined) throw new Error(`there is no path known for ${kind}`);
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return namespace === undefined ? `${group}/${plural}` : `${group}/namespaces/${part(namespace)}/${plural}`;
}

export function objectPath(ref: ResourceRef, subresource?: 'status'): string {
  const path = `${collectionPath(ref, ref.namespace)}/${part(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
