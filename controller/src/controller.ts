/** Watches both kinds and their children, and reconciles whatever a change may concern. */
import { type LongPOTrainingStatus, labels } from '@longpo/api';
import {
  type Cluster,
  deployments,
  disruptionBudgets,
  jobs,
  networkPolicies,
  pods,
  type Resource,
  type ResourceRef,
  type ResourceType,
  services,
} from './cluster.ts';
import type { Logger } from './logger.ts';
import type { ProgressStore } from './progress/store.ts';
import {
  type ObservedTraining,
  observeTraining,
  servingStatusOf,
  servingType,
  trainingStatusOf,
  trainingType,
} from './reconcile/observe.ts';
import { RecentWrites } from './reconcile/recent-writes.ts';
import { type Kind, reconcile } from './reconcile/reconcile.ts';
import { decideServing } from './reconcile/serving/decide.ts';
import { type ObservedServing, observeServing } from './reconcile/serving/observe.ts';
import { decideTraining } from './reconcile/training/decide.ts';
import type { Settings } from './settings.ts';
import { WorkQueue, type WorkQueueOptions } from './watch/work-queue.ts';

export interface ControllerDependencies {
  cluster: Cluster;
  settings: Settings;
  progress: ProgressStore;
  logger: Logger;
  now(): Date;
  /** Makes the queue of a kind, with what whoever runs the controller wants to see of it. */
  makeQueue?(kind: string, options: WorkQueueOptions): WorkQueue;
}

export interface Controller {
  stop(): Promise<void>;
}

type KeyOf = (object: Resource) => string | undefined;

const itself: KeyOf = ({ metadata }) => `${metadata.namespace}/${metadata.name}`;

/** The training or serving that controls an object. */
const controllerOf =
  (kind: string): KeyOf =>
  ({ metadata }) => {
    const owner = metadata.ownerReferences?.find(
      (reference) => reference.controller && reference.kind === kind,
    );
    return owner && `${metadata.namespace}/${owner.name}`;
  };

/** The training or serving that a pod's label names: pods are owned by what lies between. */
const labelled =
  (label: string): KeyOf =>
  ({ metadata }) => {
    const name = metadata.labels?.[label];
    return name && `${metadata.namespace}/${name}`;
  };

const sources: [type: ResourceType, keyOf: KeyOf, queue: 'trainings' | 'servings'][] = [
  [trainingType, itself, 'trainings'],
  [jobs, controllerOf(trainingType.kind), 'trainings'],
  [pods, labelled(labels.training), 'trainings'],
  [services, controllerOf(trainingType.kind), 'trainings'],
  [servingType, controllerOf(trainingType.kind), 'trainings'],
  [servingType, itself, 'servings'],
  [deployments, controllerOf(servingType.kind), 'servings'],
  [services, controllerOf(servingType.kind), 'servings'],
  [disruptionBudgets, controllerOf(servingType.kind), 'servings'],
  [networkPolicies, controllerOf(servingType.kind), 'servings'],
  [pods, labelled(labels.serving), 'servings'],
];

/** The kinds whose changes lead to a reconcile. */
export const watchedTypes: ResourceType[] = [...new Set(sources.map(([type]) => type))];

export async function startController(dependencies: ControllerDependencies): Promise<Controller> {
  const { cluster, logger, settings, progress } = dependencies;
  const { makeQueue = (_, options) => new WorkQueue(options) } = dependencies;
  let reconciles = 0;
  const recent = new RecentWrites();
  const onError = (key: string, error: unknown) =>
    logger.error('reconcile failed', { key, error: error instanceof Error ? error.message : String(error) });
  const reconciler = <S>(type: ResourceType, kind: Kind<S>, onGone: (ref: ResourceRef) => void = () => {}) =>
    makeQueue(type.kind, {
      onError,
      held: true, // what the watches have not told yet would look as if it were not there
      work: async (key) => {
        const [namespace = '', name = ''] = key.split('/');
        const ref = { ...type, namespace, name };
        const child = logger.child({ kind: type.kind, namespace, name, reconcile: ++reconciles });
        const { now } = dependencies;
        const result = await reconcile(kind, ref, { cluster, logger: child, now, recent });
        if (result.gone) onGone(ref);
        return result;
      },
    });
  const queues = {
    trainings: reconciler(trainingType, trainingKind(settings), (ref) => progress.forget(ref)),
    servings: reconciler(servingType, servingKind(settings)),
  };
  const ends = await Promise.all(
    sources.map(([type, keyOf, queue]) =>
      cluster.watch(type, ({ object }) => {
        const key = keyOf(object);
        if (key !== undefined) queues[queue].add(key);
      }),
    ),
  );
  for (const queue of Object.values(queues)) queue.release();
  return {
    async stop() {
      for (const end of ends) end();
      await Promise.all(Object.values(queues).map((queue) => queue.stop()));
      await progress.flush();
    },
  };
}

/** The progress endpoint's fields are not the reconciler's to compare or write. */
function withoutProgress(status: LongPOTrainingStatus | undefined): object | undefined {
  if (status === undefined) return undefined;
  const { fetchProgress: _, stages, ...own } = status;
  return { ...own, ...(stages && { stages: stages.map(({ progress: _progress, ...stage }) => stage) }) };
}

const trainingKind = (settings: Settings): Kind<ObservedTraining> => ({
  observe: observeTraining,
  decide: (subject, now) => decideTraining(subject, settings, now),
  statusOf: (object) => withoutProgress(trainingStatusOf(object)),
});

const servingKind = (settings: Settings): Kind<ObservedServing> => ({
  observe: observeServing,
  decide: (subject, now) => decideServing(subject, settings, now),
  statusOf: servingStatusOf,
});
