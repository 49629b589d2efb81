/** A Job and its pods as the policies read them. Pure. */
import {
  activeSecondsAnnotation,
  endedAnnotation,
  fatalExitCodes,
  jobNameLabel,
  labels,
  managedByLongpo,
  type PodResult,
  type Role,
  shapeAnnotation,
  stalledAtAnnotation,
} from '@longpo/api';
import { isBeingDeleted } from '../cluster.ts';
import { jobName } from '../objects/names.ts';
import type { JobResource } from '../objects/role-job.ts';
import { brokenBy } from '../policies/gang.ts';
import {
  type ActivePod,
  activePod,
  type EndedRank,
  endedRank,
  failureOf,
  finishedAt,
  indexOf,
  isActive,
  type PodFailure,
  type PodResource,
  parseResult,
  terminated,
} from './pod-view.ts';

export interface JobView {
  name: string;
  uid: string;
  resourceVersion: string;
  role: string;
  stage: string;
  attempt: number;
  state: 'Running' | 'Complete' | 'Failed';
  deleting: boolean;
  createdAt: string;
  /** When it began to run, or to run again after its last suspension; absent until the Job controller has seen it. */
  startedAt: string | undefined;
  /** When the Job ended, as the Job controller wrote it. */
  finishedAt: string | undefined;
  /** Suspension as it is wanted, and whether the Job controller has carried out the last change to suspended. */
  suspend: boolean;
  isSuspended: boolean;
  pods: number;
  gpusPerPod: number;
  activePods: ActivePod[];
  succeededPods: number;
  /** status.failed: failures that the Job controller counted, whether or not their pods are still there. */
  failed: number;
  /** Failed pods, in order of time. */
  failures: EndedRank[];
  /** What the controller wrote on it (api/src/labels.ts). */
  activeSecondsBefore: number;
  stalledAt: string[];
  ended: string | undefined;
  shape: string | undefined;
  /** Result of the succeeded pod with the lowest index. */
  result: PodResult | undefined;
  /** The failure that explains the Job best. */
  lastFailure: PodFailure | undefined;
}

export { type PodFailure, type PodResource, parseTerminationMessage } from './pod-view.ts';

/**
 * A rank that fails takes the others with it, so the newest failure is often only a consequence: the cause is the
 * newest one with a fatal exit code, else the newest that broke its gang and counts, else the newest that broke one.
 */
function causeOf(failed: Map<EndedRank, PodResource>): PodResource | undefined {
  const isFatal = (pod: PodResource) => fatalExitCodes.some((code) => code === terminated(pod)?.exitCode);
  const pods = [...failed.values()];
  const causes = brokenBy([...failed.keys()]);
  const cause = causes.findLast(({ counts }) => counts) ?? causes.at(-1);
  return pods.findLast(isFatal) ?? (cause && failed.get(cause)) ?? pods.at(-1);
}

/** GPUs of any vendor, as device plugins name them: nvidia.com/gpu, amd.com/gpu, gpu.intel.com/i915 is not one. */
function gpusOf(job: JobResource): number {
  const limits = (job.spec?.template.spec?.containers ?? []).flatMap(({ resources }) =>
    Object.entries(resources?.limits ?? {}),
  );
  return limits
    .filter(([resource]) => resource.endsWith('/gpu'))
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

function marksOf(job: JobResource): Pick<JobView, 'activeSecondsBefore' | 'stalledAt' | 'ended' | 'shape'> {
  const annotations: Record<string, string | undefined> = job.metadata.annotations ?? {};
  return {
    activeSecondsBefore: Number(annotations[activeSecondsAnnotation] ?? 0) || 0,
    stalledAt: annotations[stalledAtAnnotation]?.split(',').filter((time) => time !== '') ?? [],
    ended: annotations[endedAnnotation],
    shape: annotations[shapeAnnotation],
  };
}

function lifeOf({ metadata, spec, status }: JobResource) {
  const isTrue = (type: string) => status?.conditions?.find((c) => c.type === type && c.status === 'True');
  const ended = isTrue('Complete') ?? isTrue('Failed');
  return {
    state: ended === undefined ? 'Running' : ended.type === 'Complete' ? 'Complete' : 'Failed',
    deleting: isBeingDeleted({ metadata }),
    createdAt: metadata.creationTimestamp ?? '',
    startedAt: status?.startTime,
    finishedAt: ended?.lastTransitionTime,
    suspend: spec?.suspend ?? false,
    isSuspended: isTrue('Suspended') !== undefined,
  } as const;
}

/** By its uid: pods of an earlier Job of that name may still be ending. */
const isPodOf = ({ metadata }: PodResource, job: JobResource): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid) ?? false;

/**
 * Whether its Job is, or was, one of the training's: it bears the name that such a Job gets. By labels, for a Job that
 * is deleted without its pods takes their owner with it. A pod with the training's label alone is somebody else's, and
 * without the label of what we manage no watch would tell of its end.
 */
function isOfJobOf(training: string, { metadata }: PodResource): boolean {
  const {
    [labels.stage]: stage,
    [labels.role]: role,
    [labels.attempt]: attempt,
    ...rest
  } = metadata.labels ?? {};
  const name = jobName(training, stage, role as Role, Number(attempt));
  return rest[labels.managedBy] === managedByLongpo && rest[jobNameLabel] === name;
}

/** Pods that have not ended, of Jobs that are gone: they may still write into the training's folders. */
export const strayPods = (training: string, jobs: JobResource[], pods: PodResource[]): string[] =>
  pods
    .filter((pod) => isActive(pod) && isOfJobOf(training, pod) && !jobs.some((job) => isPodOf(pod, job)))
    .map(({ metadata }) => metadata.name);

export function viewJob(job: JobResource, pods: PodResource[]): JobView {
  const own = pods.filter((pod) => isPodOf(pod, job));
  const failed = own
    .filter((pod) => pod.status?.phase === 'Failed')
    .sort((a, b) => finishedAt(a).localeCompare(finishedAt(b)));
  const succeeded = own
    .filter((pod) => pod.status?.phase === 'Succeeded')
    .sort((a, b) => indexOf(a) - indexOf(b));
  const ended = new Map(failed.map((pod) => [endedRank(pod), pod]));
  const cause = causeOf(ended);
  const first = succeeded[0];
  return {
    name: job.metadata.name,
    uid: job.metadata.uid ?? '',
    resourceVersion: job.metadata.resourceVersion ?? '',
    role: job.metadata.labels?.[labels.role] ?? '',
    stage: job.metadata.labels?.[labels.stage] ?? '',
    attempt: Number(job.metadata.labels?.[labels.attempt] ?? 1),
    ...lifeOf(job),
    pods: job.spec?.completions ?? 1,
    gpusPerPod: gpusOf(job),
    activePods: own.filter(isActive).map(activePod),
    succeededPods: succeeded.length,
    failed: job.status?.failed ?? 0,
    failures: [...ended.keys()],
    ...marksOf(job),
    result: first && parseResult(first),
    lastFailure: cause && failureOf(cause),
  };
}
