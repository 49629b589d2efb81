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
import { isBeingDeleted, jobs, pods, type Reader, type Resource, type ResourceRef } from '../cluster.ts';
import type { Owner } from '../objects/ownership.ts';
import type { JobResource } from '../objects/role-job.ts';
import { type JobView, strayPods, viewJob } from './job-view.ts';
import type { PodResource } from './pod-view.ts';

export const trainingType = { apiVersion, kind: kinds.training.kind };
export const servingType = { apiVersion, kind: kinds.serving.kind };

export interface Observed {
  jobs: JobView[];
  /** Names of pods that have not ended, of Jobs that are gone. */
  strayPods: string[];
  servings: Map<string, LongPOServing>;
}

export interface ObservedTraining {
  training: LongPOTraining;
  owner: Owner;
  generation: number;
  resourceVersion: string;
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

export const trainingStatusOf = (object: Resource) => statusOf(longpoTrainingStatus, object).status;
export const servingStatusOf = (object: Resource) => statusOf(longpoServingStatus, object).status;

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

/** A training's children, seen through the watches or by the API server itself; nothing when it is gone or going. */
export async function observeTraining(
  reader: Reader,
  ref: ResourceRef,
): Promise<ObservedTraining | undefined> {
  const object = await reader.get(ref);
  if (object === undefined || isBeingDeleted(object)) return undefined;
  const training = parseTraining(object);
  const selector = { [labels.training]: ref.name };
  // Jobs before pods: a Job is complete once its pods are, so pods that are read later cannot lack what it stands on.
  // Read the other way round, a short Job could begin and end in between and seem to have lost its result.
  const [ownJobs, ownServings] = await Promise.all([
    reader.list(jobs, ref.namespace, selector),
    reader.list(servingType, ref.namespace, selector),
  ]);
  const ownPods = await reader.list(pods, ref.namespace, selector);
  // Children of an earlier training of that name may still be on their way out.
  const isOwn = (child: Resource) =>
    child.metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid) ?? false;
  const ownJobObjects = ownJobs.filter(isOwn) as JobResource[];
  return {
    training,
    owner: ownerOf(object),
    generation: object.metadata.generation ?? 0,
    resourceVersion: object.metadata.resourceVersion ?? '',
    observed: {
      jobs: ownJobObjects.map((job) => viewJob(job, ownPods as PodResource[])),
      strayPods: strayPods(ref.name, ownJobObjects, ownPods as PodResource[]),
      servings: new Map(
        ownServings.filter(isOwn).map((serving) => [serving.metadata.name, parseServing(serving)]),
      ),
    },
  };
}
