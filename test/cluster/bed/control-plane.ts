/** The command lines of the control plane. */
import { join } from 'node:path';
import type { Binaries } from '../binaries/binaries.ts';
import { addresses } from './addresses.ts';
import type { Identities } from './identities.ts';

export const controlPlaneNames = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
] as const;

export type ControlPlaneName = (typeof controlPlaneNames)[number];

export interface ControlPlaneFiles {
  folder: string;
  identities: Identities;
  /** Kubeconfigs for use inside the bed. */
  kubeconfigs: { controllerManager: string; scheduler: string };
}

/** The API server makes it at its first start, signed by itself; a restart finds it again. */
export const apiServerCertificate = (folder: string): string => join(folder, 'certificates', 'apiserver.crt');

/** Command of each component, without what a caller adds. */
export function controlPlaneCommands(
  binaries: Binaries,
  { folder, identities, kubeconfigs }: ControlPlaneFiles,
): Record<ControlPlaneName, string[]> {
  return {
    etcd: [...binaries.etcd, '--data-dir', join(folder, 'etcd')],
    'kube-apiserver': [...binaries['kube-apiserver'], ...apiServerFlags(folder, identities)],
    'kube-controller-manager': [
      ...binaries['kube-controller-manager'],
      ...['--kubeconfig', kubeconfigs.controllerManager],
      ...['--service-account-private-key-file', identities.serviceAccountKey],
      ...['--root-ca-file', apiServerCertificate(folder)],
      ...['--use-service-account-credentials', '--controllers=*'],
      ...['--leader-elect=false', '--bind-address', '127.0.0.1'],
      // With the usual 20 calls a second its forty controllers fetch their credentials for five seconds.
      ...['--kube-api-qps', '200', '--kube-api-burst', '400'],
    ],
    'kube-scheduler': [
      ...binaries['kube-scheduler'],
      ...['--kubeconfig', kubeconfigs.scheduler, '--leader-elect=false', '--bind-address', '127.0.0.1'],
    ],
  };
}

const apiServerFlags = (folder: string, identities: Identities): string[] => [
  ...['--etcd-servers', addresses.etcd],
  ...['--secure-port', String(addresses.apiServerPort), '--bind-address', '0.0.0.0'],
  ...['--advertise-address', addresses.host],
  ...['--service-cluster-ip-range', addresses.serviceRange],
  ...['--cert-dir', join(folder, 'certificates')],
  ...['--service-account-key-file', identities.serviceAccountPublicKey],
  ...['--service-account-signing-key-file', identities.serviceAccountKey],
  ...['--service-account-issuer', 'https://kubernetes.default.svc'],
  ...['--token-auth-file', identities.tokenFile, '--authorization-mode', 'RBAC'],
  ...['--kubelet-preferred-address-types', 'InternalIP'],
];

/** etcd's own flags have these names too, but not in every binary. A bed that loses power starts anew. */
export const etcdEnv = { ETCD_UNSAFE_NO_FSYNC: 'true', ETCD_LOG_LEVEL: 'warn' };
