/** The environment of a container: the image's, envFrom, then env in the order of the spec. */
import type { Container, EnvVar } from '@longpo/api';
import {
  ContainerConfigError,
  expand,
  NotReadyError,
  type PodAddresses,
  type PodResource,
  podField,
  resourceField,
} from '../../../cli/src/pod/index.ts';
import type { ClusterObjects, Data } from './cluster-objects.ts';
import type { Image } from './config.ts';

const machinePath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export interface EnvironmentOptions {
  pod: PodResource;
  container: Container;
  image: Image;
  addresses: PodAddresses;
  hostname: string;
  isRoot: boolean;
  objects: ClusterObjects;
}

export async function containerEnvironment(options: EnvironmentOptions): Promise<Record<string, string>> {
  const { container, image, hostname, isRoot } = options;
  const env: Record<string, string> = {
    PATH: [...image.path, ...machinePath].join(':'),
    HOME: isRoot ? '/root' : '/',
    HOSTNAME: hostname,
    KUBERNETES_SERVICE_HOST: '10.96.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    ...image.env,
  };
  try {
    await addEnvFrom(env, options);
    for (const variable of container.env ?? []) {
      const value = await variableValue(variable, env, options);
      if (value !== undefined) env[variable.name] = value;
    }
  } catch (error) {
    // A kubelet waits for missing keys with this reason, and so do we.
    if (error instanceof NotReadyError) throw new ContainerConfigError(error.message);
    throw error;
  }
  return env;
}

async function addEnvFrom(
  env: Record<string, string>,
  { pod, container, objects }: EnvironmentOptions,
): Promise<void> {
  const { namespace } = pod.metadata;
  for (const { configMapRef, secretRef, prefix = '' } of container.envFrom ?? []) {
    const data = configMapRef
      ? await objects.configMap(namespace, configMapRef.name ?? '', configMapRef.optional)
      : await objects.secret(namespace, secretRef?.name ?? '', secretRef?.optional);
    for (const [key, value] of Object.entries(data ?? {})) env[prefix + key] = value.toString();
  }
}

async function variableValue(
  { name, value, valueFrom }: EnvVar,
  before: Record<string, string>,
  { pod, container, addresses, objects }: EnvironmentOptions,
): Promise<string | undefined> {
  if (valueFrom === undefined) return expand(value ?? '', before);
  const { namespace } = pod.metadata;
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef) {
    const field = podField(pod, fieldRef.fieldPath, addresses);
    if (field === undefined) throw new ContainerConfigError(`${name}: no field ${fieldRef.fieldPath}`);
    return field;
  }
  if (resourceFieldRef) return resourceField(container, resourceFieldRef.resource, resourceFieldRef.divisor);
  const ref = configMapKeyRef ?? secretKeyRef;
  if (ref === undefined) throw new ContainerConfigError(`${name}: unknown source of a variable`);
  const data = configMapKeyRef
    ? await objects.configMap(namespace, ref.name ?? '', ref.optional)
    : await objects.secret(namespace, ref.name ?? '', ref.optional);
  return keyOf(data, ref.key, ref.name ?? '', ref.optional);
}

function keyOf(data: Data | undefined, key: string, name: string, isOptional = false): string | undefined {
  const value = data?.[key];
  if (value === undefined && !isOptional) throw new NotReadyError(`couldn't find key ${key} in ${name}`);
  return value?.toString();
}
