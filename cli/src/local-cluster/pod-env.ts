/** The executor's half of the pod contract: the same env names, with paths and loopback ports of this machine. */
import { join } from 'node:path';
import { type Container, completionIndexAnnotation, type EnvVar, labels, podEnv } from '@longpo/api';
import { expand, type PodResource, podField, resourceField } from '../pod/index.ts';
import type { Network } from './network.ts';

export interface Substitutions {
  volumeRoot: string;
  tokenFile: string;
  /** Origin of the progress endpoint, for instance http://127.0.0.1:41873. */
  reportOrigin: string;
  /** Folder of the container: its termination log is in it. */
  podFolder: string;
  /** What every process needs of this machine: PATH, HOME, tokens that the user set, ... */
  base: Record<string, string>;
  network: Network;
}

/** Undefined for a key of a secret or config map: there are none here, the user's own variable stands for it. */
function variableValue(
  { value, valueFrom }: EnvVar,
  pod: PodResource,
  container: Container,
  before: Record<string, string>,
): string | undefined {
  if (valueFrom === undefined) return expand(value ?? '', before);
  const { fieldRef, resourceFieldRef } = valueFrom;
  if (fieldRef) return podField(pod, fieldRef.fieldPath) ?? '';
  if (resourceFieldRef) return resourceField(container, resourceFieldRef.resource, resourceFieldRef.divisor);
  return undefined;
}

export async function podEnvironment(
  pod: PodResource,
  container: Container,
  machine: Substitutions,
): Promise<Record<string, string>> {
  const template: Record<string, string> = {};
  for (const variable of container.env ?? []) {
    const value = variableValue(variable, pod, container, template);
    if (value !== undefined) template[variable.name] = value;
  }
  const env: Record<string, string> = {
    ...machine.base,
    ...template,
    [podEnv.volumeRoot]: machine.volumeRoot,
    // The template's is a folder that is the pod's own; here the caches of this user are worth keeping.
    ...(machine.base.HOME !== undefined && { HOME: machine.base.HOME }),
  };
  env[podEnv.terminationLog] = join(machine.podFolder, 'termination-log');
  const reportUrl = template[podEnv.reportUrl];
  if (reportUrl !== undefined) {
    env[podEnv.reportUrl] = machine.reportOrigin + new URL(reportUrl).pathname;
    env[podEnv.tokenFile] = machine.tokenFile;
  }
  const coordinator = template[podEnv.coordinator];
  if (coordinator !== undefined) env[podEnv.coordinator] = await machine.network.address(coordinator);
  const endpoint = template[podEnv.endpoint];
  if (endpoint !== undefined) env[podEnv.endpoint] = await machine.network.resolve(endpoint);
  if (template[podEnv.listen] !== undefined)
    env[podEnv.listen] = await machine.network.address(
      pod.metadata.labels?.[labels.serving] ?? pod.metadata.name,
    );
  const index = pod.metadata.annotations?.[completionIndexAnnotation];
  if (index !== undefined) env[podEnv.completionIndex] = index;
  return env;
}
