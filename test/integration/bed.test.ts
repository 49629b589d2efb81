/** The test bed itself: what other tests stand on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { forgetPast } from '../cluster/bed/compaction.ts';
import { applyCrds } from '../cluster/crds.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { type Host, host, leftovers, networksOf } from './leftovers.ts';

const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'work' },
  spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
};
const mounted = { volumeMounts: [{ name: 'work', mountPath: '/shared' }] };
/** Ends when three pods have left their file on the volume that they share. */
const allHere = 'until [ $(ls /shared | wc -l) = 3 ]; do sleep 0.1; done';

const patience = { timeout: 30_000, interval: 100 };

describe('a bed', () => {
  let bed: Bed;
  let before: Host;

  beforeAll(async () => {
    before = host();
    bed = await startBed({ nodes: 0 });
  });
  afterAll(() => bed?.stop());

  const json = async (...args: string[]) => JSON.parse(await bed.kubectl(...args, '-o', 'json'));

  it('is a Kubernetes that kubectl talks to', async () => {
    const { clientVersion, serverVersion } = await json('version');
    expect(serverVersion.gitVersion).toMatch(/^v1\.\d+\.\d+$/);
    expect(serverVersion.gitVersion).toBe(clientVersion.gitVersion);
  });

  it('serves the custom resources of this repository', async () => {
    await applyCrds(bed);
    const { items } = await json('get', 'longpotrainings,longposervings', '-A');
    expect(items).toEqual([]);
    await expect(bed.kubectl('create', '-f', 'test/fixtures/invalid/stages-empty.yaml')).rejects.toThrow(
      'spec.stages',
    );
  });

  it('gives a new namespace its service account', async () => {
    await bed.kubectl('create', 'namespace', 'tenant');
    await bed.kubectl('wait', '--for=create', '--timeout=20s', '-n', 'tenant', 'serviceaccount/default');
  });

  it('binds a claim to a directory, and removes it with the claim', async () => {
    await bed.apply(JSON.stringify(claim));
    await bed.kubectl('wait', '--for=jsonpath={.status.phase}=Bound', '--timeout=20s', 'pvc/work');
    const { items } = await json('get', 'pv');
    const path: string = items[0].spec.hostPath.path;
    expect(existsSync(path)).toBe(true);
    await bed.kubectl('delete', 'pvc/work');
    await vi.waitFor(async () => expect((await json('get', 'pv')).items).toEqual([]), patience);
    expect(existsSync(path)).toBe(false);
  });

  it('leads names and addresses of a Service to its endpoints, inside and from the host', async () => {
    const server = await bed.exec(['python3', '-m', 'http.server', '8080', '--bind', '10.244.0.1']);
    onTestFinished(() => server.kill());
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'files' },
      spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    };
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'files-1', labels: { 'kubernetes.io/service-name': 'files' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: [{ addresses: ['10.244.0.1'] }],
    };
    await bed.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service, slice] }));
    const { clusterIP } = (await json('get', 'service/files')).spec;
    const url = `http://127.0.0.1:${await bed.forward('files.default.svc', 80)}/package.json`;
    const expected = readFileSync('package.json', 'utf8');
    await vi.waitFor(async () => expect(await (await fetch(url)).text()).toBe(expected), patience);
    const program = 'import socket; print(socket.gethostbyname("files.default.svc"))';
    const lookup = await bed.exec(['python3', '-c', program]);
    expect((await lookup.child.stdout?.toArray())?.join('')).toBe(`${clusterIP}\n`);
  });

  it('keeps its objects when the API server is stopped and started again', async () => {
    await bed.kubectl('create', 'configmap', 'kept');
    const server = bed.component('kube-apiserver');
    await server.stop();
    await expect(bed.kubectl('get', 'configmap', 'kept', '--request-timeout=2s')).rejects.toThrow();
    await server.start();
    expect((await json('get', 'configmap', 'kept')).metadata.name).toBe('kept');
  });

  it('has an API server that can fall silent and come back', async () => {
    const server = bed.component('kube-apiserver');
    server.pause();
    await expect(bed.kubectl('get', 'namespaces', '--request-timeout=1s')).rejects.toThrow();
    server.resume();
    expect((await json('get', 'namespace', 'default')).metadata.name).toBe('default');
  });

  it('forgets its past when told, so that old watches are refused', async () => {
    const { resourceVersion } = (await json('create', 'namespace', 'earlier')).metadata;
    const watch = `/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion=${resourceVersion}`;
    expect(await bed.kubectl('get', '--raw', watch)).not.toContain('Expired');
    await bed.kubectl('create', 'namespace', 'later');
    await forgetPast(bed);
    expect(await bed.kubectl('get', '--raw', watch).catch(String)).toContain('too old resource version');
  });

  it('leaves nothing when it is stopped', async () => {
    const networks = networksOf(bed.folder);
    expect(networks).toHaveLength(1);
    await bed.stop();
    expect(leftovers(bed.folder, networks, before)).toEqual([]);
  });
});

describe('pods of a bed', () => {
  let bed: Bed;

  beforeAll(async () => {
    bed = await startBed({ nodes: 2 });
  });
  afterAll(() => bed?.stop());

  /** Pods run this machine's programs, whatever their image. */
  const container = (script: string, more = {}) => ({
    name: 'main',
    image: 'any',
    command: ['sh', '-c', script],
    ...more,
  });

  it('run to their end and have logs', async () => {
    await bed.kubectl('run', 'hello', '--image=any', '--restart=Never', '--', 'echo', 'hello from a pod');
    await bed.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=30s', 'pod/hello');
    expect(await bed.kubectl('logs', 'hello')).toBe('hello from a pod\n');
  });

  it('of one Job find each other by name, on two nodes', async () => {
    const peers = [0, 1, 2].map((rank) => `gang-${rank}.gang`);
    const lookups = peers.map((peer) => `until getent hosts ${peer}; do sleep 0.1; done`).join('; ');
    const spread = {
      maxSkew: 1,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'gang' } },
    };
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'gang' },
      spec: {
        completionMode: 'Indexed',
        ...{ completions: 3, parallelism: 3 },
        template: {
          metadata: { labels: { app: 'gang' } },
          spec: {
            ...{ subdomain: 'gang', restartPolicy: 'Never', topologySpreadConstraints: [spread] },
            // It stays until the others have found it: a pod that ended has no name.
            containers: [container(`${lookups}; touch /shared/$(hostname); ${allHere}`, mounted)],
            volumes: [{ name: 'work', persistentVolumeClaim: { claimName: 'work' } }],
          },
        },
      },
    };
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'gang' },
      spec: { clusterIP: 'None', selector: { app: 'gang' } },
    };
    await bed.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [claim, service, job] }));
    await bed.kubectl('wait', '--for=condition=Complete', '--timeout=60s', 'job/gang');
    const nodes = await bed.kubectl(
      'get',
      'pods',
      '-l',
      'app=gang',
      '-o',
      'jsonpath={.items[*].spec.nodeName}',
    );
    expect([...new Set(nodes.split(' '))].toSorted()).toEqual(['node-1', 'node-2']);
  });

  it('answer over their Service once they are ready, and by name before where it says so', async () => {
    const server = 'mkdir /tmp/www; cd /tmp/www; echo served > index.html; exec python3 -m http.server 8080';
    const isReady = { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: { containers: [container(server, { readinessProbe: isReady })] },
    };
    const service = (name: string, spec: object) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
    });
    const services = [
      service('web', {}),
      service('ready', { clusterIP: 'None' }),
      service('early', { clusterIP: 'None', publishNotReadyAddresses: true }),
    ];
    await bed.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod, ...services] }));
    const lookUp = async (name: string) =>
      (await (await bed.exec(['getent', 'hosts', `${name}.default.svc`])).exited).code;
    const answer = async () => (await fetch(url)).text();
    const url = `http://127.0.0.1:${await bed.forward('web.default.svc', 80)}/`;
    await vi.waitFor(async () => expect(await lookUp('early')).toBe(0), patience);
    const notFound = 2;
    expect(await lookUp('ready')).toBe(notFound);
    await expect(fetch(url)).rejects.toThrow();
    await bed.kubectl('exec', 'web', '--', 'touch', '/tmp/www/ready');
    await vi.waitFor(async () => expect(await answer()).toBe('served\n'), patience);
    await vi.waitFor(async () => expect(await lookUp('ready')).toBe(0), patience);
  });
});

describe('npm run cluster', () => {
  async function start(): Promise<{ child: ChildProcess; folder: string; networks: string[] }> {
    const child = spawn(process.execPath, ['test/cluster/main.ts', '--nodes', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    for await (const line of createInterface({ input: child.stdout })) {
      const kubeconfig = /export KUBECONFIG=(.*)/.exec(line)?.[1];
      if (kubeconfig === undefined) continue;
      const folder = dirname(kubeconfig);
      return { child, folder, networks: networksOf(folder) };
    }
    throw new Error(`no cluster came up`);
  }

  it('ends on Ctrl-C and leaves nothing', async () => {
    const before = host();
    const { child, folder, networks } = await start();
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(leftovers(folder, networks, before)).toEqual([]);
  });

  it('leaves nothing even when it is killed', async () => {
    const before = host();
    const { child, folder, networks } = await start();
    expect(existsSync(join(folder, 'etcd'))).toBe(true);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(leftovers(folder, networks, before)).toEqual([]), patience);
  });
});
