/** What a reconcile wants changed; `act` carries it out. */
import type { Resource, ResourceRef } from '../cluster.ts';

export interface Plan {
  apply: Resource[];
  remove: ResourceRef[];
  status: object;
  requeueAfterSeconds?: number;
}
