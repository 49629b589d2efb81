/** Condition types and reasons. Reasons are API: clients switch on them, messages are for people. */
import * as z from 'zod';

export const conditionTypes = {
  /** Top-level summary of a LongPOTraining. */
  succeeded: 'Succeeded',
  /** Top-level summary of a LongPOServing. */
  ready: 'Ready',
  /** True once the model was read and the plan fits it. */
  planned: 'Planned',
  /** Every API error of a reconcile lands here. */
  resourcesReconciled: 'ResourcesReconciled',
  /** All pods of the current Job run; for a LongPOServing, at least one answers. */
  podsReady: 'PodsReady',
  /** Reported progress moves. */
  progressing: 'Progressing',
  /** The newest finished stage's checkpoint was read again and is what its digest says. */
  checkpointDurable: 'CheckpointDurable',
  suspended: 'Suspended',
} as const;

export const reasons = {
  pending: 'Pending',
  fetching: 'Fetching',
  generating: 'Generating',
  training: 'Training',
  verifying: 'Verifying',
  serving: 'Serving',
  completed: 'Completed',
  modelInvalid: 'ModelInvalid',
  planInvalid: 'PlanInvalid',
  planFits: 'Fits',
  dataInvalid: 'DataInvalid',
  checkpointInvalid: 'CheckpointInvalid',
  restartsExhausted: 'RestartsExhausted',
  configInvalid: 'ConfigInvalid',
  doesNotFit: 'DoesNotFit',
  nonFiniteLoss: 'NonFiniteLoss',
  starting: 'Starting',
  available: 'Available',
  unavailable: 'Unavailable',
  reconciled: 'Reconciled',
  apiError: 'APIError',
  nameTaken: 'NameTaken',
  deadlineExceeded: 'DeadlineExceeded',
  podsPending: 'PodsPending',
  podsCannotStart: 'PodsCannotStart',
  allPodsReady: 'AllPodsReady',
  noPods: 'NoPods',
  advancing: 'Advancing',
  stalled: 'Stalled',
  waiting: 'Waiting',
  notYet: 'NotYet',
  verified: 'Verified',
  suspended: 'Suspended',
  suspending: 'Suspending',
  notSuspended: 'NotSuspended',
} as const;

export type Reason = (typeof reasons)[keyof typeof reasons];

export const condition = z
  .strictObject({
    type: z.string(),
    status: z.enum(['True', 'False', 'Unknown']),
    reason: z.string(),
    message: z.string(),
    observedGeneration: z.int(),
    lastTransitionTime: z.string(),
  })
  .describe('One observation of the object, as in metav1.Condition.');

export type Condition = z.infer<typeof condition>;

export const conditions = z
  .array(condition)
  .max(16)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

/** Of our own conditions and of Kubernetes' alike. */
interface Typed {
  type: string;
  status: string;
}

export const conditionOf = <C extends Typed>(
  status: { conditions?: C[] | undefined } | undefined,
  type: string,
): C | undefined => status?.conditions?.find((condition) => condition.type === type);

export const isConditionTrue = (
  status: { conditions?: Typed[] | undefined } | undefined,
  type: string,
): boolean => conditionOf(status, type)?.status === 'True';
