/** What a LongPOServing becomes: a Deployment of its engine and a Service; and the LongPOServings of a training. */
import {
  apiVersion,
  type Deployment,
  desiredHashAnnotation,
  kinds,
  type LongPOServing,
  labels,
  type Service,
  servePort,
} from '@longpo/api';
import type { Resource } from '../cluster.ts';
import type { ImageName } from '../settings.ts';
import { buildServerPod } from './onnxruntime.ts';
import { desiredHash, managedLabels, type Owner, ownerReference, withDesiredHash } from './ownership.ts';
import { buildVllmPod } from './vllm.ts';

export type DeploymentResource = Deployment & Resource;

/** Engine, model loader and rollout have this long to make a new pod ready before Progressing says that they stall. */
const progressDeadlineSeconds = { onnxruntime: 900, vllm: 4200 };

export const servingLabels = (serving: Owner): Record<string, string> => ({
  ...managedLabels,
  [labels.serving]: serving.name,
  [labels.role]: 'serve',
});

/** Labels by which a serving's pods are found: by its Deployment, its Service and the scale subresource. */
export const servingSelector = (name: string): Record<string, string> => ({ [labels.serving]: name });

/** Metadata of everything that a serving owns: all of it has the serving's name. */
export const childMetadata = (owner: Owner): Resource['metadata'] => ({
  name: owner.name,
  namespace: owner.namespace,
  labels: servingLabels(owner),
  ownerReferences: [ownerReference(owner)],
});

export function buildServingDeployment(
  serving: LongPOServing,
  owner: Owner,
  images: Record<Extract<ImageName, 'serve' | 'vllm'>, string>,
): DeploymentResource {
  const { engine, replicas } = serving.spec;
  const podLabels = servingLabels(owner);
  const pod =
    engine === 'vllm'
      ? buildVllmPod(serving, images.vllm, podLabels)
      : buildServerPod(serving, images.serve, podLabels);
  // Tells a pod of this spec from one of the spec before, whose failure says nothing about this one.
  const annotations = { ...pod.metadata?.annotations, [desiredHashAnnotation]: desiredHash(pod) };
  return withDesiredHash({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: childMetadata(owner),
    spec: {
      replicas,
      selector: { matchLabels: servingSelector(owner.name) },
      // A new pod beside the old ones would need accelerators and memory that may not be there.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      progressDeadlineSeconds: progressDeadlineSeconds[engine],
      template: { ...pod, metadata: { ...pod.metadata, annotations } },
    },
  });
}

export function buildServingService(owner: Owner): Service & Resource {
  return withDesiredHash({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: childMetadata(owner),
    spec: {
      selector: servingSelector(owner.name),
      ports: [{ name: 'http', port: servePort, targetPort: servePort }],
    },
  });
}

/** Base URL of a serving inside the cluster, with /v1. */
export const servingUrl = (name: string, namespace: string): string =>
  `http://${name}.${namespace}.svc:${servePort}/v1`;

/** A LongPOServing that a training owns: of a stage's starting model, or of the last checkpoint. */
export function buildTrainingServing(
  name: string,
  training: Owner,
  spec: { model: { uri: string } } & Partial<Omit<LongPOServing['spec'], 'model'>>,
): Resource & { spec: object } {
  return withDesiredHash({
    apiVersion,
    kind: kinds.serving.kind,
    metadata: {
      name,
      namespace: training.namespace,
      labels: { ...managedLabels, [labels.training]: training.name },
      ownerReferences: [ownerReference(training)],
    },
    spec,
  });
}
