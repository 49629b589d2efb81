/** Labels and annotations that the controller writes on what it creates, and selects by. */
export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  training: 'longpo.dev/training',
  serving: 'longpo.dev/serving',
  stage: 'longpo.dev/stage',
  role: 'longpo.dev/role',
  attempt: 'longpo.dev/attempt',
} as const;

export const managedByLongpo = 'longpo-controller';

/** Set by the controller on what it applies, so that an unchanged object is not written again. */
export const desiredHashAnnotation = 'longpo.dev/desired-hash';

/** The key of the pod's index within its Indexed Job, as the Job controller writes it. */
export const completionIndexAnnotation = 'batch.kubernetes.io/job-completion-index';
export const jobNameLabel = 'batch.kubernetes.io/job-name';
