/** A Job and its pods as the policies read them. Pure. */
import {
  completionIndexAnnotation,
  exitCodes,
  fatalExitCodes,
  jobNameLabel,
  labels,
  type Pod,
  type PodResult,
  podResult,
} from '@longpo/api';
import type { Resource } from '../cluster.ts';
import type { JobResource } from '../objects/role-job.ts';

export type PodResource = Pod & Resource;

export interface PodFailure {
  pod: string;
  exitCode: number;
  code: string;
  message: string;
}

export interface JobView {
  name: string;
  role: string;
  stage: string;
  attempt: number;
  state: 'Running' | 'Complete' | 'Failed';
  /** Failed pods that count towards the limit. */
  countedFailures: number;
  /** When the Job ended, as the Job controller wrote it. */
  finishedAt: string | undefined;
  /** Result of the succeeded pod with the lowest index. */
  result: PodResult | undefined;
  /** The failure that explains the Job best. */
  lastFailure: PodFailure | undefined;
}

const terminated = (pod: PodResource) => pod.status?.containerStatuses?.[0]?.state?.terminated;

const parseResult = (pod: PodResource): PodResult | undefined =>
  parseTerminationMessage(terminated(pod)?.message);

export function parseTerminationMessage(message: string | undefined): PodResult | undefined {
  if (message === undefined || message === '') return undefined;
  try {
    const parsed = podResult.safeParse(JSON.parse(message));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // a crash may leave text there; the exit code still tells
  }
}

function failureOf(pod: PodResource): PodFailure {
  const ended = terminated(pod);
  const error = parseResult(pod)?.error;
  return {
    pod: pod.metadata.name,
    exitCode: ended?.exitCode ?? -1,
    code: error?.code ?? pod.status?.reason ?? ended?.reason ?? 'Error',
    message:
      error?.message ??
      pod.status?.message ??
      `container ended with exit code ${ended?.exitCode ?? 'unknown'}`,
  };
}

function countsTowardsLimit(pod: PodResource): boolean {
  const disrupted = pod.status?.conditions?.some((c) => c.type === 'DisruptionTarget' && c.status === 'True');
  return !disrupted && terminated(pod)?.exitCode !== exitCodes.tryAgain;
}

/**
 * A rank that ends the Job takes the others with it, so the newest failure is often only a consequence: the cause is
 * the newest one with a fatal exit code, else the newest that counts, else the newest.
 */
function causeOf(failed: PodResource[]): PodResource | undefined {
  const isFatal = (pod: PodResource) => fatalExitCodes.some((code) => code === terminated(pod)?.exitCode);
  return failed.findLast(isFatal) ?? failed.findLast(countsTowardsLimit) ?? failed.at(-1);
}

const index = (pod: PodResource) => Number(pod.metadata.annotations?.[completionIndexAnnotation] ?? 0);
const finishedAt = (pod: PodResource) => terminated(pod)?.finishedAt ?? '';

export function viewJob(job: JobResource, pods: PodResource[]): JobView {
  const own = pods.filter((pod) => pod.metadata.labels?.[jobNameLabel] === job.metadata.name);
  const failed = own
    .filter((pod) => pod.status?.phase === 'Failed')
    .sort((a, b) => finishedAt(a).localeCompare(finishedAt(b)));
  const succeeded = own
    .filter((pod) => pod.status?.phase === 'Succeeded')
    .sort((a, b) => index(a) - index(b));
  const ended = job.status?.conditions?.find(
    (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
  const cause = causeOf(failed);
  const first = succeeded[0];
  return {
    name: job.metadata.name,
    role: job.metadata.labels?.[labels.role] ?? '',
    stage: job.metadata.labels?.[labels.stage] ?? '',
    attempt: Number(job.metadata.labels?.[labels.attempt] ?? 1),
    state: ended === undefined ? 'Running' : ended.type === 'Complete' ? 'Complete' : 'Failed',
    countedFailures: failed.filter(countsTowardsLimit).length,
    finishedAt: ended?.lastTransitionTime,
    result: first && parseResult(first),
    lastFailure: cause && failureOf(cause),
  };
}
