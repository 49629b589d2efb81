/**
 * The cluster as the controller sees it: the six verbs it needs, on JSON objects. A real API server and the local
 * cluster of `longpo run` both implement it, and nothing in this package asks which one it talks to.
 */
import type { ObjectMeta } from '@longpo/api';

export interface Resource {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { name: string; namespace: string };
}

export interface ResourceType {
  apiVersion: string;
  kind: string;
}

export interface ResourceRef extends ResourceType {
  namespace: string;
  name: string;
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: Resource;
}

export interface Cluster {
  get(ref: ResourceRef): Promise<Resource | undefined>;
  list(type: ResourceType, namespace: string, labels?: Record<string, string>): Promise<Resource[]>;
  /** Current objects arrive as ADDED before this resolves; the returned function ends the watch. */
  watch(type: ResourceType, onEvent: (event: WatchEvent) => void): Promise<() => void>;
  /** Server-side apply: creates the object or makes the manager's fields what they are here. */
  apply(object: Resource, fieldManager: string): Promise<void>;
  /** Foreground deletion: the object goes once everything it owns is gone. Missing objects are fine. */
  remove(ref: ResourceRef): Promise<void>;
  /** Server-side apply of the status subresource; fields of other managers stay. Missing objects are fine. */
  patchStatus(ref: ResourceRef, status: object, fieldManager: string): Promise<void>;
}

export const jobs: ResourceType = { apiVersion: 'batch/v1', kind: 'Job' };
export const pods: ResourceType = { apiVersion: 'v1', kind: 'Pod' };
export const services: ResourceType = { apiVersion: 'v1', kind: 'Service' };
export const deployments: ResourceType = { apiVersion: 'apps/v1', kind: 'Deployment' };

/** One writer, one name: fields of the progress endpoint and of the reconciler never clash. */
export const fieldManagers = { controller: 'longpo-controller', progress: 'longpo-progress' } as const;

/** Foreground deletion has begun; the object stays until what it owns is gone. */
export const isBeingDeleted = ({
  metadata,
}: {
  metadata: { name: string; deletionTimestamp?: unknown };
}): boolean => metadata.deletionTimestamp !== undefined;

export function refOf(object: Resource): ResourceRef {
  const { apiVersion, kind, metadata } = object;
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name };
}
