/** The only reader of process.env in the test bed. */
import { delimiter } from 'node:path';
import { readConfig } from '../../cli/src/config.ts';

export interface ClusterConfig {
  /** Folder of the caches that outlive a run. */
  cacheRoot: string;
  /** KUBEBUILDER_ASSETS: a folder with the binaries of a control plane, used instead of building one. */
  assets: string | undefined;
  /** What children get: the caller's env, with the folders of `ip` and `chroot` on PATH. */
  env: Record<string, string>;
}

export function readClusterConfig(env: NodeJS.ProcessEnv = process.env): ClusterConfig {
  const { cacheRoot, path } = readConfig(env);
  const known = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    cacheRoot,
    assets: env.KUBEBUILDER_ASSETS || undefined,
    env: {
      ...Object.fromEntries(known),
      // Debian's root shells have them, cron, sudo and some IDEs have not.
      PATH: [path, '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter),
    },
  };
}

export interface InsideConfig {
  kubeconfig: string;
}

/** Of the processes that the bed starts inside. */
export function readInsideConfig(env: NodeJS.ProcessEnv = process.env): InsideConfig {
  return { kubeconfig: required(env, 'KUBECONFIG') };
}

export function readProvisionerConfig(
  env: NodeJS.ProcessEnv = process.env,
): InsideConfig & { volumeRoot: string } {
  return { ...readInsideConfig(env), volumeRoot: required(env, 'VOLUME_ROOT') };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
