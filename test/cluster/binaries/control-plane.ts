/** Builds test/control-plane into the cache: a folder per sources, flags and Go modules. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Output } from '../../../cli/src/setup/bar.ts';
import { goBuild } from './go-build.ts';

export interface ControlPlaneBuildOptions {
  cacheRoot: string;
  output: Output;
}

const source = join(import.meta.dirname, '..', '..', 'control-plane');
const versionPackages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];

/** `v1.37.2`, from the module's requirements. */
export function kubernetesVersion(goMod: string): string {
  const version = /^\s*(?:require\s+)?k8s\.io\/kubernetes (v\d+\.\d+\.\d+)/m.exec(goMod)?.[1];
  if (version === undefined)
    throw new Error('go.mod of the control plane does not require k8s.io/kubernetes');
  return version;
}

/** Without a version of the release's form, `kubectl version` and Helm fail. */
export function linkerFlags(version: string): string {
  const [major, minor] = version.slice(1).split('.');
  const values = {
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitCommit: '0'.repeat(40),
    gitTreeState: 'clean',
    buildDate: '2026-01-01T00:00:00Z',
  };
  const sets = versionPackages.flatMap((name) =>
    Object.entries(values).map(([key, value]) => `-X ${name}.${key}=${value}`),
  );
  return ['-s', '-w', ...sets].join(' ');
}

/** Path of the binary. Seconds when Go has compiled the packages before, ten minutes on two cores when not. */
export function buildControlPlane({ cacheRoot, output }: ControlPlaneBuildOptions): Promise<string> {
  const files = readdirSync(source).filter((name) => /\.go$|^go\.(mod|sum)$/.test(name));
  const version = kubernetesVersion(readFileSync(join(source, 'go.mod'), 'utf8'));
  // -trimpath makes Go's cache independent of where the sources stand.
  const flags = ['-trimpath', '-ldflags', linkerFlags(version)];
  const hash = createHash('sha256').update(JSON.stringify([process.arch, flags]));
  for (const name of files.toSorted()) hash.update(`${name}\n`).update(readFileSync(join(source, name)));
  const digest = hash.digest('hex').slice(0, 12);
  return goBuild({
    title: `the control plane (k8s.io/kubernetes ${version})`,
    usual: '10 min cold on two cores',
    file: join(cacheRoot, `control-plane-${digest}`, 'control-plane'),
    command: (folder) => [
      ...['go', '-C', source, 'build', '-v', ...flags],
      ...['-o', join(folder, 'control-plane'), '.'],
    ],
    output,
  });
}
