/** Where the programs of the control plane come from: KUBEBUILDER_ASSETS, or one binary of ours that is all of them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../../cli/src/errors.ts';
import type { Output } from '../../../cli/src/setup/bar.ts';
import { buildControlPlane } from './control-plane.ts';

export const binaryNames = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubectl',
] as const;

export type BinaryName = (typeof binaryNames)[number];

/** The command that each program starts with. */
export type Binaries = Record<BinaryName, string[]>;

export interface BinaryOptions {
  cacheRoot: string;
  /** KUBEBUILDER_ASSETS */
  assets: string | undefined;
  output: Output;
}

const commands = (commandOf: (name: BinaryName) => string[]): Binaries =>
  Object.fromEntries(binaryNames.map((name) => [name, commandOf(name)])) as Binaries;

export async function prepareBinaries(options: BinaryOptions): Promise<Binaries> {
  if (options.assets !== undefined) return assetBinaries(options.assets);
  const file = await buildControlPlane(options);
  return commands((name) => [file, name]);
}

/** envtest's archives hold etcd, kube-apiserver and kubectl only. */
export function assetBinaries(folder: string): Binaries {
  const missing = binaryNames.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0)
    throw new UserError(
      'ASSETS_INCOMPLETE',
      `KUBEBUILDER_ASSETS=${folder} lacks ${missing.join(', ')}: add them from the Kubernetes release of the ` +
        'same version, or unset KUBEBUILDER_ASSETS and all of them are built from source',
    );
  return commands((name) => [join(folder, name)]);
}
