/** Helm in the cache, for the chart's tests. */
import { join } from 'node:path';
import type { ControlPlaneBuildOptions } from './control-plane.ts';
import { goBuild } from './go-build.ts';

const version = 'v4.3.1';

/** Path of the binary. */
export function buildHelm({ cacheRoot, output }: ControlPlaneBuildOptions): Promise<string> {
  return goBuild({
    title: `Helm ${version}`,
    usual: '4 min cold on two cores',
    file: join(cacheRoot, `helm-${version}`, 'helm'),
    command: (folder) => [
      ...['env', `GOBIN=${folder}`, 'go', 'install', '-v', '-trimpath'],
      `helm.sh/helm/v4/cmd/helm@${version}`,
    ],
    output,
  });
}
