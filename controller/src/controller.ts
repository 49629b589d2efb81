/** Watches both kinds and their children, and reconciles whatever a change may concern. */
import { apiVersion, type LongPOTrainingStatus, labels } from '@longpo/api';
import {
  type Cluster,
  deployments,
  jobs,
  pods,
  type Resource,
  type ResourceRef,
  type ResourceType,
} from './cluster.ts';
import type { Logger } from './logger.ts';
import type { DeploymentResource } from './objects/serving.ts';
import type { ProgressStore } from './progress/store.ts';
import { act } from './reconcile/act.ts';
import type { PodResource } from './reconcile/job-view.ts';
import { observeTraining, ownerOf, parseServing, servingType, trainingType } from './reconcile/observe.ts';
import { decideServing } from './reconcile/serving/decide.ts';
import { decideTraining } from './reconcile/training/decide.ts';
import type { Settings } from './settings.ts';
import { WorkQueue } from './watch/work-queue.ts';

export interface ControllerDependencies {
  cluster: Cluster;
  settings: Settings;
  progress: ProgressStore;
  logger: Logger;
  now(): Date;
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

export async function startController(dependencies: ControllerDependencies): Promise<Controller> {
  const { cluster, logger } = dependencies;
  const onError = (key: string, error: unknown) =>
    logger.error('reconcile failed', { key, error: error instanceof Error ? error.message : String(error) });
  const reconciler = (type: ResourceType, reconcile: (ref: ResourceRef, logger: Logger) => Promise<void>) =>
    new WorkQueue({
      onError,
      work: async (key) => {
        const [namespace = '', name = ''] = key.split('/');
        await reconcile({ ...type, namespace, name }, logger.child({ kind: type.kind, namespace, name }));
        return undefined;
      },
    });
  const trainings = reconciler(trainingType, (ref, log) => reconcileTraining(dependencies, ref, log));
  const servings = reconciler(servingType, (ref, log) => reconcileServing(dependencies, ref, log));

  const sources: [type: ResourceType, keyOf: KeyOf, queue: WorkQueue][] = [
    [trainingType, itself, trainings],
    [jobs, controllerOf(trainingType.kind), trainings],
    [pods, labelled(labels.training), trainings],
    [servingType, controllerOf(trainingType.kind), trainings],
    [servingType, itself, servings],
    [deployments, controllerOf(servingType.kind), servings],
    [pods, labelled(labels.serving), servings],
  ];
  const ends = await Promise.all(
    sources.map(([type, keyOf, queue]) =>
      cluster.watch(type, ({ object }) => {
        const key = keyOf(object);
        if (key !== undefined) queue.add(key);
      }),
    ),
  );
  return {
    async stop() {
      for (const end of ends) end();
      await Promise.all([trainings.stop(), servings.stop()]);
      await dependencies.progress.flush();
    },
  };
}

async function reconcileTraining(
  deps: ControllerDependencies,
  ref: ResourceRef,
  logger: Logger,
): Promise<void> {
  const subject = await observeTraining(deps.cluster, ref);
  if (subject === undefined) return deps.progress.forget(ref);
  const plan = decideTraining(subject, deps.settings, deps.now());
  await act(deps.cluster, ref, withoutProgress(subject.training.status), plan, logger);
}

/** The progress endpoint's fields are not the reconciler's to compare or write. */
function withoutProgress(status: LongPOTrainingStatus | undefined): object | undefined {
  if (status === undefined) return undefined;
  const { fetchProgress: _, stages, ...own } = status;
  return { ...own, ...(stages && { stages: stages.map(({ progress: _progress, ...stage }) => stage) }) };
}

async function reconcileServing(
  deps: ControllerDependencies,
  ref: ResourceRef,
  logger: Logger,
): Promise<void> {
  const object = await deps.cluster.get(ref);
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
  const serving = parseServing(object);
  const deployment = await deps.cluster.get({ ...deployments, namespace: ref.namespace, name: ref.name });
  const ownPods = await deps.cluster.list(pods, ref.namespace, { [labels.serving]: ref.name });
  const plan = decideServing(
    {
      serving,
      owner: ownerOf({ ...object, apiVersion }),
      generation: object.metadata.generation ?? 0,
      deployment: deployment as DeploymentResource | undefined,
      pods: ownPods as PodResource[],
    },
    deps.settings,
    deps.now(),
  );
  await act(deps.cluster, ref, serving.status, plan, logger);
}
