/**
 * The cluster as the controller sees it: the few verbs it needs, on JSON objects. A real API server and the local
 * cluster of `longpo run` both implement it, and nothing in this package asks which one it talks to.
 */
import type { ManagedFieldsEntry, ObjectMeta } from '@longpo/api';

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

/** Names the failures that callers treat apart; `status` is the HTTP status, `reason` Kubernetes' StatusReason. */
export class ClusterError extends Error {
  override name = 'ClusterError';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

export const isReason = (error: unknown, reason: 'AlreadyExists' | 'Conflict' | 'NotFound'): boolean =>
  error instanceof ClusterError && error.reason === reason;

export interface Reader {
  get(ref: ResourceRef): Promise<Resource | undefined>;
  list(type: ResourceType, namespace: string, labels?: Record<string, string>): Promise<Resource[]>;
}

/** What an object must still be for a write to count; a mismatch is a ClusterError with reason Conflict. */
export interface Preconditions {
  uid?: string;
  resourceVersion?: string;
}

export interface EventRecord {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/**
 * Reads answer from what the watches have seen, which may be old; `live` asks the API server itself. A change to
 * children is decided on live reads (docs/adr), so an old view can delay the controller but not mislead it.
 */
export interface Cluster extends Reader {
  live: Reader;
  /** Current objects arrive as ADDED before this resolves; the returned function ends the watch. */
  watch(type: ResourceType, onEvent: (event: WatchEvent) => void): Promise<() => void>;
  /** Fails with AlreadyExists when there is an object of that name, whoever made it. */
  create(object: Resource, fieldManager: string): Promise<void>;
  /** Server-side apply: creates the object or makes the manager's fields what they are here. */
  apply(object: Resource, fieldManager: string): Promise<void>;
  /** JSON merge patch (RFC 7396) of an object that exists. Missing objects are fine. */
  merge(ref: ResourceRef, patch: object, preconditions?: Preconditions): Promise<void>;
  /** Foreground deletion: the object goes once everything it owns is gone. Missing objects are fine. */
  remove(ref: ResourceRef, preconditions?: Preconditions): Promise<void>;
  /** Server-side apply of the status subresource; fields of other managers stay. Missing objects are fine. */
  patchStatus(
    ref: ResourceRef,
    status: object,
    fieldManager: string,
    preconditions?: Preconditions,
  ): Promise<void>;
  /** An Event about an object, for `kubectl describe`. Never worth failing for: errors are swallowed and counted. */
  record(about: Resource, event: EventRecord): Promise<void>;
}

export const jobs: ResourceType = { apiVersion: 'batch/v1', kind: 'Job' };
export const pods: ResourceType = { apiVersion: 'v1', kind: 'Pod' };
export const services: ResourceType = { apiVersion: 'v1', kind: 'Service' };
export const claims: ResourceType = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' };
export const deployments: ResourceType = { apiVersion: 'apps/v1', kind: 'Deployment' };
export const disruptionBudgets: ResourceType = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' };
export const networkPolicies: ResourceType = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
};

/** One writer, one name: fields of the progress endpoint and of the reconciler never clash. */
export const fieldManagers = { controller: 'longpo-controller', progress: 'longpo-progress' } as const;

/** What a manager applied to an object, less what others have changed since; at most one. Not its status. */
export const appliedFields = (entries: ManagedFieldsEntry[], manager: string): ManagedFieldsEntry[] =>
  entries.filter(
    (entry) => entry.manager === manager && entry.operation === 'Apply' && entry.subresource === undefined,
  );

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

/** JSON merge patch (RFC 7396), for clusters that are not API servers. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const merged: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}
