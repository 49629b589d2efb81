/** What a reconcile wants changed; `act` carries it out. */
import type { EventRecord, Preconditions, Resource, ResourceRef } from '../cluster.ts';

/** A merge patch of a child, on the condition that it is still what was decided on. */
export interface Merge extends ResourceRef {
  patch: object;
  preconditions: Preconditions;
  /** For the log: what the patch is for. */
  why: string;
}

export interface Removal extends ResourceRef {
  preconditions?: Preconditions;
}

export interface Plan {
  /** Wanted as they are here, in this order; Jobs and claims are made once and never written again. */
  apply: Resource[];
  merge?: Merge[];
  remove: Removal[];
  status: object;
  /** Told once the status is written. */
  events?: EventRecord[];
  requeueAfterSeconds?: number;
}
