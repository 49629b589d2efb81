/** What a LongPOServing becomes: a Deployment with probes and a Service; and the LongPOServings of a training. */
import {
  apiVersion,
  type Deployment,
  kinds,
  type LongPOServing,
  labels,
  type Probe,
  podEnv,
  type ServeConfig,
  type Service,
  servePort,
} from '@longpo/api';
import type { Resource } from '../cluster.ts';
import { managedLabels, type Owner, ownerReference, withDesiredHash } from './ownership.ts';
import { buildRolePod } from './role-pod.ts';
import { podPath } from './uri.ts';

export type DeploymentResource = Deployment & Resource;

const probe = (path: string, extra: Probe): Probe => ({ httpGet: { path, port: servePort }, ...extra });
/** A large model takes its time to load and quantise: ten minutes before liveness counts. */
const startup = probe('/healthz', { periodSeconds: 2, failureThreshold: 300 });
const gracePeriodSeconds = 30;

function servingLabels(serving: Owner): Record<string, string> {
  return { ...managedLabels, [labels.serving]: serving.name, [labels.role]: 'serve' };
}

export function serveConfigOf(serving: LongPOServing): ServeConfig {
  const { model, quantization, maxModelLen, ropeTheta, parallelSequences } = serving.spec;
  return {
    model: podPath(model.uri),
    servedModelName: serving.metadata.name,
    quantization,
    maxModelLen: maxModelLen ?? null,
    ropeTheta: ropeTheta ?? null,
    cache: 'cache',
    parallelSequences,
  };
}

export function buildServingDeployment(
  serving: LongPOServing,
  owner: Owner,
  image: string,
): DeploymentResource {
  const podLabels = servingLabels(owner);
  const template = buildRolePod({
    role: 'serve',
    image,
    claimName: serving.spec.storage.claimName,
    config: serveConfigOf(serving),
    labels: podLabels,
    env: { [podEnv.listen]: `0.0.0.0:${servePort}` },
    restartPolicy: 'Always',
    gracePeriodSeconds,
  });
  const container = template.spec?.containers[0];
  if (container) {
    container.ports = [{ name: 'http', containerPort: servePort }];
    container.startupProbe = startup;
    container.readinessProbe = probe('/readyz', { periodSeconds: 2 });
    container.livenessProbe = probe('/healthz', {
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    });
  }
  return withDesiredHash({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: owner.name,
      namespace: owner.namespace,
      labels: podLabels,
      ownerReferences: [ownerReference(owner)],
    },
    spec: {
      replicas: serving.spec.replicas,
      selector: { matchLabels: { [labels.serving]: owner.name } },
      strategy: { type: 'Recreate' },
      template,
    },
  });
}

export function buildServingService(owner: Owner): Service & Resource {
  return withDesiredHash({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: owner.name,
      namespace: owner.namespace,
      labels: servingLabels(owner),
      ownerReferences: [ownerReference(owner)],
    },
    spec: {
      selector: { [labels.serving]: owner.name },
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
