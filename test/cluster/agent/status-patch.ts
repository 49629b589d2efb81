/** A pod's status as the strategic merge patch that makes the API server's copy equal to it. Pure. */
import type { PodResource, PodStatus } from '../../../cli/src/pod/index.ts';

export const strategicMerge = 'application/strategic-merge-patch+json';

/** What the status does not say must be said to be null, or a merge keeps what was said before. */
export function statusPatch({ metadata }: PodResource, status: PodStatus): object {
  const observedGeneration = metadata.generation ?? 1;
  const conditions = status.conditions?.map((condition) => ({
    reason: null,
    message: null,
    ...condition,
    observedGeneration,
  }));
  return {
    metadata: { uid: metadata.uid },
    status: { reason: null, message: null, ...status, conditions, observedGeneration },
  };
}
