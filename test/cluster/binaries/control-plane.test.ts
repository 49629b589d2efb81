import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { assetBinaries, binaryNames } from './binaries.ts';
import { kubernetesVersion, linkerFlags } from './control-plane.ts';

it('takes the version of Kubernetes from the module that is built', () => {
  const goMod = 'replace k8s.io/api => k8s.io/api v0.37.2\nrequire (\n\tk8s.io/kubernetes v1.37.2\n)\n';
  expect(kubernetesVersion(goMod)).toBe('v1.37.2');
});

it('stamps both version packages, which kubectl and Helm parse', () => {
  const flags = linkerFlags('v1.37.2');
  for (const name of ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'])
    expect(flags).toContain(`-X ${name}.gitVersion=v1.37.2 -X ${name}.gitMajor=1 -X ${name}.gitMinor=37`);
});

function folderWith(names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'longpo-assets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of names) writeFileSync(join(folder, name), '');
  return folder;
}

it('uses the programs of KUBEBUILDER_ASSETS as they are', () => {
  const folder = folderWith(binaryNames);
  expect(assetBinaries(folder)).toEqual(
    Object.fromEntries(binaryNames.map((name) => [name, [join(folder, name)]])),
  );
});

it('names what an envtest archive lacks', () => {
  const folder = folderWith(['etcd', 'kube-apiserver', 'kubectl']);
  expect(() => assetBinaries(folder)).toThrow(
    `KUBEBUILDER_ASSETS=${folder} lacks kube-controller-manager, kube-scheduler`,
  );
});
