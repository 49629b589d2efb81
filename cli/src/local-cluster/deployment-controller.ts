/** Deployments as far as ours use them: the wanted number of pods, replaced one by one when the template changes. */
import { createHash, randomBytes } from 'node:crypto';
import { type Deployment, isConditionTrue, type Pod } from '@longpo/api';
import {
  deployments as deploymentType,
  pods as podType,
  type Resource,
  refOf,
  WorkQueue,
} from '@longpo/controller';
import type { PodResource } from '../pod/index.ts';
import { markDeleted } from './local-cluster.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';

type DeploymentResource = Deployment & Resource;

const hashLabel = 'pod-template-hash';

function buildPod(deployment: DeploymentResource, hash: string): PodResource {
  const { apiVersion, kind, metadata, spec } = deployment;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${metadata.name}-${hash}-${randomBytes(3).toString('hex')}`,
      namespace: metadata.namespace,
      labels: { ...spec?.template.metadata?.labels, [hashLabel]: hash },
      annotations: { ...spec?.template.metadata?.annotations },
      ownerReferences: [{ apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true }],
    },
    spec: spec?.template.spec as NonNullable<Pod['spec']>,
  };
}

export function startDeploymentController(store: ObjectStore): () => Promise<void> {
  const queue = new WorkQueue({
    work: async (key) => {
      const [namespace = '', name = ''] = key.split('/');
      const object = store.get({ ...deploymentType, namespace, name });
      if (object && object.metadata.deletionTimestamp === undefined) syncDeployment(store, object);
      return undefined;
    },
    onError: (key, error) => process.stderr.write(`deployment ${key}: ${String(error)}\n`),
  });
  const notice = (object: StoredObject) => {
    const { namespace, name, ownerReferences } = object.metadata;
    const owner = ownerReferences?.find(({ kind }) => kind === deploymentType.kind);
    if (object.kind === deploymentType.kind) queue.add(`${namespace}/${name}`);
    else if (object.kind === podType.kind && owner) queue.add(`${namespace}/${owner.name}`);
  };
  for (const object of store.list(deploymentType)) notice(object);
  const end = store.subscribe(({ object }) => notice(object));
  return async () => {
    end();
    await queue.stop();
  };
}

const isReady = ({ status }: PodResource): boolean => isConditionTrue(status, 'Ready');

function syncDeployment(store: ObjectStore, object: StoredObject): void {
  const deployment = object as DeploymentResource & StoredObject;
  const hash = createHash('sha256')
    .update(JSON.stringify(deployment.spec?.template))
    .digest('hex')
    .slice(0, 8);
  const all = store.ownedBy(deployment.metadata.uid ?? '') as PodResource[];
  const alive = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const isCurrent = (pod: PodResource) => pod.metadata.labels?.[hashLabel] === hash;
  const current = alive.filter(isCurrent);
  const replicas = deployment.spec?.replicas ?? 1;
  const spare = [
    ...current.slice(replicas),
    ...replaceable(
      alive.filter((pod) => !isCurrent(pod)),
      current,
      replicas,
    ),
  ];
  for (const pod of spare) markDeleted(store, store.get(refOf(pod)));
  // maxSurge 0: a pod that is still going holds the memory and the port that the new one needs.
  const added = Math.max(0, replicas - all.length);
  for (let n = 0; n < added; n++) store.put(buildPod(deployment, hash));
  const kept = alive.filter((pod) => !spare.includes(pod));
  store.put({
    ...(store.get(refOf(deployment)) ?? deployment),
    status: {
      observedGeneration: deployment.metadata.generation ?? 1,
      replicas: kept.length + added,
      updatedReplicas: kept.filter(isCurrent).length + added,
      readyReplicas: kept.filter(isReady).length,
    },
  });
}

/** Pods of templates before that may go now: as many as leave all but one of the wanted pods answering. */
function replaceable(old: PodResource[], current: PodResource[], replicas: number): PodResource[] {
  const ready = [...old, ...current].filter(isReady).length;
  const unready = old.filter((pod) => !isReady(pod));
  return [...unready, ...old.filter(isReady).slice(0, Math.max(0, ready - (replicas - 1)))];
}
