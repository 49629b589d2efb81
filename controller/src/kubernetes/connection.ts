/**
 * Where the API server is and how to prove who we are: a kubeconfig file, or the service account of a pod.
 *
 * client-node knows kubeconfig entries and exec plugins. Only those two of its modules are imported, because its index
 * and its KubeConfig class load generated clients that take 80 MB of memory.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import {
  type Cluster,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from '@kubernetes/client-node/dist/config_types.js';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import { parse } from 'yaml';

export interface Credentials {
  headers: Record<string, string>;
  /** Client certificate and key, PEM. */
  tls: Pick<ConnectionOptions, 'cert' | 'key'>;
}

export interface Connection {
  readonly server: URL;
  /** Namespace of the context or of the pod. */
  readonly namespace: string | undefined;
  /** Trust: what proves the server. */
  readonly tls: Pick<ConnectionOptions, 'ca' | 'servername' | 'rejectUnauthorized'>;
  /** Cheap: files are read again once a minute, plugins run again when what they gave has expired. */
  credentials(): Promise<Credentials>;
  /** Forgets what is cached, because the API server refused it. */
  refresh(): void;
}

export interface ConnectionSource {
  /** Path of a kubeconfig file. */
  kubeconfig?: string | undefined;
  /** Else the environment of the process: KUBECONFIG, then the pod's service account, then HOME/.kube/config. */
  environment?: Record<string, string | undefined>;
}

export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
const filesAreFreshMs = 60_000;

/** A user entry with what client-node does not read: it looks for `token-file`, which is not the field's name. */
interface Identity extends User {
  tokenFile?: string | undefined;
}

export function loadConnection({ kubeconfig, environment = {} }: ConnectionSource = {}): Connection {
  if (kubeconfig !== undefined) return fromKubeconfig([kubeconfig]);
  const named = environment.KUBECONFIG?.split(delimiter).filter((path) => path !== '') ?? [];
  if (named.length > 0) return fromKubeconfig(named);
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443', HOME: home } = environment;
  if (host !== undefined && existsSync(join(serviceAccountFolder, 'token'))) return inCluster(host, port);
  const fallback = home && join(home, '.kube', 'config');
  if (fallback && existsSync(fallback)) return fromKubeconfig([fallback]);
  throw new Error('no cluster to connect to: set KUBECONFIG, or run in a pod with a service account');
}

/** The service account that Kubernetes mounts into a pod; its token is replaced about once an hour. */
export function inCluster(host: string, port: string, folder = serviceAccountFolder): Connection {
  const namespaceFile = join(folder, 'namespace');
  return connect(
    {
      name: 'in-cluster',
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      caFile: join(folder, 'ca.crt'),
      skipTLSVerify: false,
    },
    { name: 'service-account', tokenFile: join(folder, 'token') },
    existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined,
  );
}

/** Several files are read as kubectl reads them: the first one that has an entry wins. */
function fromKubeconfig(paths: string[]): Connection {
  const files = paths.map(readKubeconfig);
  const contextName = files.find(({ current }) => current)?.current;
  const pick = <T extends { name: string }>(entries: T[], name: string | undefined, what: string): T => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry === undefined)
      throw new Error(`${paths.join(', ')}: there is no ${what} named "${name ?? ''}"`);
    return entry;
  };
  const context = pick(
    files.flatMap(({ contexts }) => contexts),
    contextName,
    'context',
  );
  const cluster = pick(
    files.flatMap(({ clusters }) => clusters),
    context.cluster,
    'cluster',
  );
  const users = files.flatMap((file) => file.users);
  const user = context.user === undefined ? { name: '' } : pick(users, context.user, 'user');
  return connect(cluster, user, context.namespace);
}

interface RawUser {
  user?: { tokenFile?: string };
}

function readKubeconfig(path: string) {
  const config = (parse(readFileSync(path, 'utf8')) ?? {}) as {
    'current-context'?: string;
    clusters?: object[];
    contexts?: object[];
    users?: RawUser[];
  };
  const folder = dirname(resolve(path));
  const absolute = (file: string | undefined) => (file && !isAbsolute(file) ? join(folder, file) : file);
  const orNothing = <K extends string>(key: K, file: string | undefined) =>
    (file ? { [key]: absolute(file) } : {}) as { [key in K]?: string };
  return {
    current: config['current-context'],
    contexts: newContexts(config.contexts),
    clusters: newClusters(config.clusters).map((c) => ({ ...c, ...orNothing('caFile', c.caFile) })),
    users: newUsers(config.users).map(
      (user, index): Identity => ({
        ...user,
        ...orNothing('certFile', user.certFile),
        ...orNothing('keyFile', user.keyFile),
        tokenFile: absolute(config.users?.[index]?.user?.tokenFile),
      }),
    ),
  };
}

function connect(cluster: Cluster, user: Identity, namespace: string | undefined): Connection {
  if (cluster.proxyUrl) throw new Error(`cluster "${cluster.name}": proxy-url is not supported`);
  if (user.authProvider)
    throw new Error(`user "${user.name}": auth-provider is not supported; use its exec plugin`);
  const ca = cluster.caData ? fromBase64(cluster.caData) : cluster.caFile && readFileSync(cluster.caFile);
  let cached: { credentials: Promise<Credentials>; at: number } | undefined;
  let exec = new ExecAuth();
  return {
    server: new URL(cluster.server),
    namespace,
    tls: {
      ...(ca && { ca }),
      ...(cluster.tlsServerName && { servername: cluster.tlsServerName }),
      ...(cluster.skipTLSVerify && { rejectUnauthorized: false }),
    },
    credentials() {
      if (user.exec) return fromPlugin(exec, user);
      if (cached === undefined || performance.now() - cached.at > filesAreFreshMs) {
        const entry = { credentials: fromFiles(user), at: performance.now() };
        cached = entry;
        // A file that is being replaced may be missing for a moment: the next call looks again.
        entry.credentials.catch(() => {
          if (cached === entry) cached = undefined;
        });
      }
      return cached.credentials;
    },
    refresh() {
      cached = undefined;
      exec = new ExecAuth();
    },
  };
}

const fromBase64 = (text: string) => Buffer.from(text, 'base64');

async function fromFiles(user: Identity): Promise<Credentials> {
  const token = user.tokenFile ? (await readFile(user.tokenFile, 'utf8')).trim() : user.token;
  const pem = async (data: string | undefined, file: string | undefined) =>
    data ? fromBase64(data) : file ? await readFile(file) : undefined;
  const cert = await pem(user.certData, user.certFile);
  const key = await pem(user.keyData, user.keyFile);
  const basic = user.username && fromUtf8(`${user.username}:${user.password ?? ''}`);
  const authorization = token ? `Bearer ${token}` : basic ? `Basic ${basic}` : undefined;
  return {
    headers: { ...(authorization && { authorization }), ...impersonation(user) },
    tls: { ...(cert && { cert }), ...(key && { key }) },
  };
}

const fromUtf8 = (text: string) => Buffer.from(text).toString('base64');

const impersonation = (user: User): Record<string, string> =>
  user.impersonateUser ? { 'impersonate-user': user.impersonateUser } : {};

async function fromPlugin(plugin: ExecAuth, user: Identity): Promise<Credentials> {
  // Plugins of the v1 protocol read this to learn which version to answer in and that nobody sits at a terminal.
  const info = { apiVersion: user.exec.apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
  const env = [...(user.exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }];
  const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
  await plugin.applyAuthentication({ ...user, exec: { ...user.exec, env } }, options);
  const { Authorization: authorization, ...headers } = options.headers;
  return {
    headers: { ...headers, ...(authorization && { authorization }), ...impersonation(user) },
    tls: { ...(options.cert && { cert: options.cert }), ...(options.key && { key: options.key }) },
  };
}
