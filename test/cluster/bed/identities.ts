/**
 * Who may speak to the API server: a token each for the administrator and the components, which carry the users that
 * Kubernetes' own roles are bound to.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addresses, apiServerName } from './addresses.ts';

export const users = {
  admin: { name: 'admin', groups: ['system:masters'] },
  'kube-controller-manager': { name: 'system:kube-controller-manager', groups: [] },
  'kube-scheduler': { name: 'system:kube-scheduler', groups: [] },
} as const;

export type UserName = keyof typeof users;

export interface Identities {
  tokenFile: string;
  serviceAccountKey: string;
  serviceAccountPublicKey: string;
  tokens: Record<UserName, string>;
}

const secret = { mode: 0o600 };

export function createIdentities(folder: string): Identities {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const names = Object.keys(users) as UserName[];
  const tokens = Object.fromEntries(names.map((name) => [name, randomBytes(24).toString('hex')])) as Record<
    UserName,
    string
  >;
  const identities = {
    tokenFile: join(folder, 'tokens.csv'),
    serviceAccountKey: join(folder, 'service-account.key'),
    serviceAccountPublicKey: join(folder, 'service-account.pub'),
    tokens,
  };
  const rows = names.map((name) => {
    const user = users[name];
    return `${tokens[name]},${user.name},${user.name},"${user.groups.join(',')}"\n`;
  });
  writeFileSync(identities.tokenFile, rows.join(''), secret);
  writeFileSync(identities.serviceAccountKey, privateKey, secret);
  writeFileSync(identities.serviceAccountPublicKey, publicKey);
  return identities;
}

export interface KubeconfigOptions {
  server: string;
  /** PEM, carried inside the file. */
  certificateAuthority: string;
  token: string;
}

/** JSON is YAML. */
export function kubeconfig({ server, certificateAuthority, token }: KubeconfigOptions): string {
  const cluster = {
    server,
    'certificate-authority-data': Buffer.from(certificateAuthority).toString('base64'),
    'tls-server-name': apiServerName,
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'longpo', cluster }],
    users: [{ name: 'longpo', user: { token } }],
    contexts: [{ name: 'longpo', context: { cluster: 'longpo', user: 'longpo' } }],
    'current-context': 'longpo',
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

export function writeKubeconfig(file: string, options: KubeconfigOptions): string {
  writeFileSync(file, kubeconfig(options), secret);
  return file;
}

export const insideServer = `https://${addresses.host}:${addresses.apiServerPort}`;
