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

/** On a Job: seconds that it ran before its last suspension; written together with spec.suspend. */
export const activeSecondsAnnotation = 'longpo.dev/active-seconds';
/** On a Job: times at which it stood still, comma-separated; pods that are older than the last are replaced. */
export const stalledAtAnnotation = 'longpo.dev/stalled-at';
/** On a Job: why the controller ended it, a condition reason; written together with its deadline. */
export const endedAnnotation = 'longpo.dev/ended';
/** On a train Job: ranks and pods, as <sequence>x<data>/<ranks in a pod>; another shape needs another attempt. */
export const shapeAnnotation = 'longpo.dev/shape';

/** On a namespace, with value "true": its pods may call the servings of every namespace. */
export const servingAccessLabel = 'longpo.dev/serving-access';
