/** Helm, with its caches and plugins in a folder of its own, so that the user's Helm is not touched. */
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildHelm } from '../cluster/binaries/helm.ts';
import { readClusterConfig } from '../cluster/config.ts';

/** Standard output of one call; a failure has standard error in its message. */
export type Helm = (...args: string[]) => Promise<string>;

export interface HelmOptions {
  /** Only for what talks to a cluster. */
  kubeconfig?: string;
}

export const chartFolder = join(import.meta.dirname, '..', '..', 'charts', 'longpo');

const maxOutputBytes = 16 * 1024 * 1024;

/** Builds Helm where the cache has none yet. */
export async function openHelm({ kubeconfig }: HelmOptions = {}): Promise<Helm> {
  const { cacheRoot, env } = readClusterConfig();
  const binary = await buildHelm({ cacheRoot, output: process.stderr });
  const folder = mkdtempSync(join(tmpdir(), 'longpo-helm-'));
  const own = {
    HELM_CACHE_HOME: join(folder, 'cache'),
    HELM_CONFIG_HOME: join(folder, 'config'),
    HELM_DATA_HOME: join(folder, 'data'),
    // An empty file, not the default: a test must never reach the user's cluster.
    KUBECONFIG: kubeconfig ?? join(folder, 'no-cluster'),
  };
  return async (...args) => {
    const { stdout } = await promisify(execFile)(binary, args, {
      env: { ...env, ...own },
      maxBuffer: maxOutputBytes,
    });
    return stdout;
  };
}
