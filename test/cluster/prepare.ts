/** Everything that takes minutes once and nothing afterwards; before tests with time limits begin. */
import { UserError } from '../../cli/src/errors.ts';
import type { Output } from '../../cli/src/setup/bar.ts';
import { type Binaries, prepareBinaries } from './binaries/binaries.ts';
import { debianAptGet, requirePackages } from './binaries/packages.ts';
import type { ClusterConfig } from './config.ts';

export { buildHelm } from './binaries/helm.ts';

export async function prepareBed(config: ClusterConfig, output: Output): Promise<Binaries> {
  if (process.getuid?.() !== 0)
    throw new UserError('NOT_ROOT', 'the test bed needs root, for namespaces and mounts: start it with sudo');
  const { cacheRoot, env } = config;
  await requirePackages({ path: env.PATH ?? '', cacheRoot, output, aptGet: debianAptGet() });
  return prepareBinaries({ ...config, output });
}
