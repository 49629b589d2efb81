/** Deployments as far as ours use them: the wanted number of pods, replaced when they or the template change. */
import { createHash, randomBytes } from 'node:crypto';
import type { Deployment, Pod } from '@longpo/api';
import {
  deployments as deploymentType,
  pods as podType,
  type Resource,
  refOf,
  WorkQueue,
} from '@longpo/controller';
import { markDeleted } from './local-cluster.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import type { PodResource } from './pod-env.ts';

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

function syncDeployment(store: ObjectStore, object: StoredObject): void {
  const deployment = object as DeploymentResource & StoredObject;
  const hash = createHash('sha256')
    .update(JSON.stringify(deployment.spec?.template))
    .digest('hex')
    .slice(0, 8);
  const pods = store.ownedBy(deployment.metadata.uid ?? '') as PodResource[];
  const current = pods.filter(
    (pod) => pod.metadata.labels?.[hashLabel] === hash && !pod.metadata.deletionTimestamp,
  );
  const replicas = deployment.spec?.replicas ?? 1;
  for (const pod of pods.filter((candidate) => !current.includes(candidate)))
    markDeleted(store, store.get(refOf(pod)));
  for (const pod of current.slice(replicas)) markDeleted(store, store.get(refOf(pod)));
  // Recreate: the old pods hold the memory and the port that the new ones need.
  if (pods.length === current.length)
    for (let n = current.length; n < replicas; n++) store.put(buildPod(deployment, hash));
  const ready = current.filter((pod) =>
    pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
  );
  store.put({
    ...(store.get(refOf(deployment)) ?? deployment),
    status: {
      observedGeneration: deployment.metadata.generation ?? 1,
      replicas: Math.min(current.length, replicas),
      readyReplicas: ready.length,
    },
  });
}
