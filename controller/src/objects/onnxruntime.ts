/** Engine onnxruntime: the pod of this project's own server (server/). Pure. */
import {
  type LongPOServing,
  type PodTemplateSpec,
  type Probe,
  podEnv,
  type ServeConfig,
  servePort,
} from '@longpo/api';
import { buildRolePod } from './role-pod.ts';
import { podPath } from './uri.ts';

const probe = (path: string, extra: Probe): Probe => ({ httpGet: { path, port: servePort }, ...extra });
/** A large model takes its time to load and quantise: ten minutes before liveness counts. */
const startupProbe = probe('/healthz', { periodSeconds: 2, failureThreshold: 300 });
const gracePeriodSeconds = 30;

export function serveConfigOf(serving: LongPOServing): ServeConfig {
  const { model, quantization, maxModelLen, ropeTheta, parallelSequences } = serving.spec;
  return {
    model: podPath(model.uri),
    servedModelName: serving.metadata.name,
    quantization: quantization ?? 'int4',
    maxModelLen: maxModelLen ?? null,
    ropeTheta: ropeTheta ?? null,
    cache: 'cache',
    parallelSequences,
  };
}

export function buildServerPod(
  serving: LongPOServing,
  image: string,
  labels: Record<string, string>,
): PodTemplateSpec {
  const { storage, podTemplate, resources } = serving.spec;
  return buildRolePod({
    role: 'serve',
    image,
    claimName: storage.claimName,
    config: serveConfigOf(serving),
    labels,
    env: { [podEnv.listen]: `0.0.0.0:${servePort}` },
    restartPolicy: 'Always',
    gracePeriodSeconds,
    template: podTemplate,
    ...(resources && { resources }),
    container: {
      ports: [{ name: 'http', containerPort: servePort }],
      startupProbe,
      readinessProbe: probe('/readyz', { periodSeconds: 2 }),
      livenessProbe: probe('/healthz', { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }),
    },
  });
}
