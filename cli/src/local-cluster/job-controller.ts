/** Indexed Jobs as the core Job controller runs them, as far as our Jobs use it. Pure decision, thin writer. */
import { randomBytes } from 'node:crypto';
import { completionIndexAnnotation, type Job, jobNameLabel, type Pod } from '@longpo/api';
import { jobs as jobType, pods as podType, type Resource, refOf, WorkQueue } from '@longpo/controller';
import type { PodResource } from '../pod/index.ts';
import { markDeleted } from './local-cluster.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';

type JobResource = Job & Resource;

export interface JobDecision {
  /** Indexes that need a pod, and when at the earliest. */
  create: { index: number; notBefore: number }[];
  ended?: { type: 'Complete' | 'Failed'; reason: string; message: string };
  /** No pod may run; what runs is stopped. */
  suspended?: true;
}

/** When a running Job has run for too long; the clock starts anew with each resumption. */
export function deadlineOf({ spec, status }: JobResource): number | undefined {
  const { activeDeadlineSeconds: limit, suspend } = spec ?? {};
  if (limit === undefined || suspend || status?.startTime === undefined) return undefined;
  return Date.parse(status.startTime) + limit * 1000;
}

const indexOf = (pod: PodResource) => Number(pod.metadata.annotations?.[completionIndexAnnotation] ?? 0);
const exitCodeOf = (pod: PodResource) => pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode;
const finishedAt = (pod: PodResource) =>
  Date.parse(pod.status?.containerStatuses?.[0]?.state?.terminated?.finishedAt ?? '') || 0;

/** The first rule that matches a failed pod, as spec.podFailurePolicy is read. */
function actionFor(job: JobResource, pod: PodResource): string {
  for (const rule of job.spec?.podFailurePolicy?.rules ?? []) {
    const code = exitCodeOf(pod);
    if (code !== undefined && rule.onExitCodes?.values.includes(code)) return rule.action;
    const conditions = rule.onPodConditions ?? [];
    if (
      conditions.some((wanted) =>
        pod.status?.conditions?.some((c) => c.type === wanted.type && c.status === 'True'),
      )
    )
      return rule.action;
  }
  return 'Count';
}

export function decideJob(
  job: JobResource,
  pods: PodResource[],
  backOffMs: (failures: number) => number,
  now: number,
): JobDecision {
  const failed = pods.filter((pod) => pod.status?.phase === 'Failed');
  const fatal = failed.find((pod) => actionFor(job, pod) === 'FailJob');
  if (fatal)
    return {
      create: [],
      ended: {
        type: 'Failed',
        reason: 'PodFailurePolicy',
        message: `pod ${fatal.metadata.name} ended with exit code ${exitCodeOf(fatal)}`,
      },
    };
  if ((deadlineOf(job) ?? Number.POSITIVE_INFINITY) <= now)
    return {
      create: [],
      ended: {
        type: 'Failed',
        reason: 'DeadlineExceeded',
        message: `ran longer than ${job.spec?.activeDeadlineSeconds} s`,
      },
    };
  return decideIndexes(job, pods, backOffMs);
}

function decideIndexes(
  job: JobResource,
  pods: PodResource[],
  backOffMs: (failures: number) => number,
): JobDecision {
  const completions = job.spec?.completions ?? 1;
  const limit = job.spec?.backoffLimitPerIndex ?? 0;
  const create: JobDecision['create'] = [];
  let succeeded = 0;
  for (let index = 0; index < completions; index++) {
    const own = pods.filter((pod) => indexOf(pod) === index);
    if (own.some((pod) => pod.status?.phase === 'Succeeded')) {
      succeeded++;
      continue;
    }
    const ended = own.filter((pod) => pod.status?.phase === 'Failed');
    const counted = ended.filter((pod) => actionFor(job, pod) === 'Count').length;
    if (counted > limit)
      return {
        create: [],
        ended: { type: 'Failed', reason: 'FailedIndexes', message: `index ${index} failed ${counted} times` },
      };
    if (own.length > ended.length) continue;
    const last = Math.max(0, ...ended.map(finishedAt));
    create.push({ index, notBefore: counted === 0 ? 0 : last + backOffMs(counted) });
  }
  if (succeeded === completions)
    return {
      create: [],
      ended: { type: 'Complete', reason: 'CompletionsReached', message: `${completions} of ${completions}` },
    };
  if (job.spec?.suspend) return { create: [], suspended: true };
  return { create: job.spec?.parallelism === 0 ? [] : create };
}

export function buildPod(job: JobResource, index: number, suffix: string): PodResource {
  const template = job.spec?.template;
  const { apiVersion, kind, metadata } = job;
  const labels = { ...template?.metadata?.labels, [jobNameLabel]: metadata.name };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${metadata.name}-${index}-${suffix}`,
      namespace: metadata.namespace,
      labels,
      annotations: { [completionIndexAnnotation]: String(index) },
      ownerReferences: [{ apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true }],
    },
    spec: { ...(template?.spec as NonNullable<Pod['spec']>), hostname: `${metadata.name}-${index}` },
  };
}

export function startJobController(
  store: ObjectStore,
  backOffMs: (failures: number) => number,
): () => Promise<void> {
  const sync = async (key: string) => {
    const [namespace = '', name = ''] = key.split('/');
    const object = store.get({ ...jobType, namespace, name });
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return undefined;
    return syncJob(store, object, backOffMs);
  };
  const queue = new WorkQueue({
    work: sync,
    onError: (key, error) => process.stderr.write(`job ${key}: ${String(error)}\n`),
  });
  const keyOf = (object: StoredObject) => {
    if (object.kind === jobType.kind) return `${object.metadata.namespace}/${object.metadata.name}`;
    const job = object.kind === podType.kind ? object.metadata.labels?.[jobNameLabel] : undefined;
    return job && `${object.metadata.namespace}/${job}`;
  };
  const notice = (object: StoredObject) => {
    const key = keyOf(object);
    if (key) queue.add(key);
  };
  for (const object of store.list(jobType)) {
    startAnew(store, object);
    notice(object);
  }
  const end = store.subscribe(({ object }) => notice(object));
  return async () => {
    end();
    await queue.stop();
  };
}

/** Nothing ran since the last `longpo run` ended; that time is no Job's. */
function startAnew(store: ObjectStore, object: StoredObject): void {
  const { startTime, ...status } = (object as JobResource).status ?? {};
  const isEnded = status.conditions?.some(({ type }) => type === 'Complete' || type === 'Failed');
  if (startTime !== undefined && !isEnded) store.put({ ...object, status });
}

type Condition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

/** As the core Job controller keeps it: resuming dates the start anew, so that the deadline counts from there. */
function statusOf(job: JobResource, decision: JobDecision, counts: object, now: number): Job['status'] {
  const time = new Date(now).toISOString();
  const before = job.status?.conditions ?? [];
  const wasSuspended = before.some(({ type, status }) => type === 'Suspended' && status === 'True');
  const isSuspended = decision.suspended ?? false;
  const isResumed = wasSuspended && !isSuspended && decision.ended === undefined;
  const starts = !isSuspended && (job.status?.startTime === undefined || isResumed);
  const changed: Condition[] = [
    ...(isSuspended !== wasSuspended
      ? [
          {
            type: 'Suspended',
            status: isSuspended ? 'True' : 'False',
            reason: isSuspended ? 'JobSuspended' : 'JobResumed',
            lastTransitionTime: time,
          },
        ]
      : []),
    ...(decision.ended ? [{ ...decision.ended, status: 'True', lastTransitionTime: time }] : []),
  ];
  const kept = before.filter(({ type }) => !changed.some((condition) => condition.type === type));
  const conditions = [...kept, ...changed];
  return {
    ...job.status,
    ...counts,
    ...(starts ? { startTime: time } : {}),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

function syncJob(store: ObjectStore, object: StoredObject, backOffMs: (failures: number) => number) {
  const job = object as JobResource & StoredObject;
  const pods = store
    .list(podType, job.metadata.namespace, { [jobNameLabel]: job.metadata.name })
    .filter(({ metadata }) =>
      metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid),
    ) as PodResource[];
  const active = pods.filter((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed');
  const isEnded = job.status?.conditions?.some(({ type }) => type === 'Complete' || type === 'Failed');
  const now = Date.now();
  const decision: JobDecision = isEnded ? { create: [] } : decideJob(job, pods, backOffMs, now);
  if (isEnded || decision.ended || decision.suspended) {
    for (const pod of active) markDeleted(store, store.get(refOf(pod)));
  }
  const due = decision.create.filter(({ notBefore }) => notBefore <= now);
  for (const { index } of due) store.put(buildPod(job, index, randomBytes(3).toString('hex')));
  if (isEnded) return undefined;
  const count = (phase: string) => pods.filter((pod) => pod.status?.phase === phase).length;
  const counts = {
    active: decision.ended ? 0 : active.length + due.length,
    succeeded: count('Succeeded'),
    failed: count('Failed'),
  };
  store.put({ ...(store.get(refOf(job)) ?? job), status: statusOf(job, decision, counts, now) ?? {} });
  const deadline = deadlineOf((store.get(refOf(job)) as JobResource | undefined) ?? job);
  const appointments = [
    ...decision.create.map(({ notBefore }) => notBefore).filter((notBefore) => notBefore > now),
    ...(deadline === undefined || decision.ended ? [] : [deadline]),
  ];
  if (appointments.length === 0) return undefined;
  return { requeueAfterSeconds: Math.max(Math.min(...appointments) - now, 0) / 1000 };
}
