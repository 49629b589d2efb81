/** Reads one training and everything it owns: the only input of `decide`. */
import {
  apiVersion,
  kinds,
  type LongPOServing,
  type LongPOTraining,
  labels,
  longpoServing,
  longpoServingStatus,
  longpoTraining,
  longpoTrainingStatus,
} from '@longpo/api';
import { type Cluster, jobs, pods, type Resource, type ResourceRef } from '../cluster.ts';
import type { Owner } from '../objects/ownership.ts';
import type { JobResource } from '../objects/role-job.ts';
import { type JobView, type PodResource, viewJob } from './job-view.ts';

export const trainingType = { apiVersion, kind: kinds.training.kind };
export const servingType = { apiVersion, kind: kinds.serving.kind };

export interface Observed {
  jobs: JobView[];
  servings: Map<string, LongPOServing>;
}

export interface ObservedTraining {
  training: LongPOTraining;
  owner: Owner;
  generation: number;
  observed: Observed;
}

export function ownerOf(object: Resource): Owner {
  const { apiVersion, kind, metadata } = object;
  return { apiVersion, kind, name: metadata.name, namespace: metadata.namespace, uid: metadata.uid ?? '' };
}

/** Status is rebuilt from the children, so one that cannot be read (an older version's) is as good as none. */
function statusOf<T>(
  type: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
  object: Resource,
): { status?: T } {
  const parsed = type.safeParse((object as { status?: unknown }).status);
  return parsed.success ? { status: parsed.data } : {};
}

export function parseTraining(object: Resource): LongPOTraining {
  return {
    ...longpoTraining.parse({ ...object, status: undefined }),
    ...statusOf(longpoTrainingStatus, object),
  };
}

export function parseServing(object: Resource): LongPOServing {
  return {
    ...longpoServing.parse({ ...object, status: undefined }),
    ...statusOf(longpoServingStatus, object),
  };
}

/** The training and its children, or undefined when it is gone or going. */
export async function observeTraining(
  cluster: Cluster,
  ref: ResourceRef,
): Promise<ObservedTraining | undefined> {
  const object = await cluster.get(ref);
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return undefined;
  const training = parseTraining(object);
  const selector = { [labels.training]: ref.name };
  const [ownJobs, ownPods, ownServings] = await Promise.all([
    cluster.list(jobs, ref.namespace, selector),
    cluster.list(pods, ref.namespace, selector),
    cluster.list(servingType, ref.namespace, selector),
  ]);
  // Children of an earlier training of that name may still be on their way out.
  const isOwn = (child: Resource) =>
    child.metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid) ?? false;
  return {
    training,
    owner: ownerOf(object),
    generation: object.metadata.generation ?? 0,
    observed: {
      jobs: ownJobs.filter(isOwn).map((job) => viewJob(job as JobResource, ownPods as PodResource[])),
      servings: new Map(
        ownServings.filter(isOwn).map((serving) => [serving.metadata.name, parseServing(serving)]),
      ),
    },
  };
}
