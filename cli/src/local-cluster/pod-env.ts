/** The executor's half of the pod contract: the same env names, with paths and loopback ports of this machine. */
import { join } from 'node:path';
import { completionIndexAnnotation, labels, type Pod, podEnv } from '@longpo/api';
import type { Resource } from '@longpo/controller';
import type { Network } from './network.ts';

export type PodResource = Pod & Resource;

export interface Substitutions {
  volumeRoot: string;
  tokenFile: string;
  /** Origin of the progress endpoint, for instance http://127.0.0.1:41873. */
  reportOrigin: string;
  /** Folder of the pod: its termination log is in it. */
  podFolder: string;
  /** What every process needs of this machine: PATH, HOME, tokens that the user set, ... */
  base: Record<string, string>;
  network: Network;
}

export async function podEnvironment(
  pod: PodResource,
  machine: Substitutions,
): Promise<Record<string, string>> {
  const container = pod.spec?.containers[0];
  const template = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value ?? '']));
  const env: Record<string, string> = {
    ...machine.base,
    ...template,
    [podEnv.volumeRoot]: machine.volumeRoot,
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
