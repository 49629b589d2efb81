/** The chart's life on a real Kubernetes, by the real Helm: the operator's own pods run in it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { chartFolder, type Helm, openHelm } from '../chart/helm.ts';
import { readClusterConfig } from '../cluster/config.ts';
import { operatorImages } from '../cluster/operator-images.ts';
import { prepareBed } from '../cluster/prepare.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';

const namespace = 'longpo-system';
const namespaceFile = join(import.meta.dirname, '..', '..', 'manifests', 'namespace.yaml');
const minute = 60_000;
const patience = { timeout: minute, interval: 200 };

interface Item {
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  spec: { holderIdentity?: string; template: { metadata: { annotations: Record<string, string> } } };
  status: { phase?: string };
}

/** The tests are one life, in this order. */
describe('the chart', () => {
  let bed: Bed;
  let helm: Helm;

  beforeAll(async () => {
    await prepareBed(readClusterConfig(), process.stderr);
    // The operator's role needs no Python.
    bed = await startBed({ nodes: 2, images: operatorImages('python3') });
    helm = await openHelm({ kubeconfig: bed.kubeconfig });
    // With what manifests/ demands of pods: the restricted profile.
    await bed.apply(readFileSync(namespaceFile, 'utf8'));
  }, 20 * minute);
  afterAll(() => bed?.stop());

  const run = (verb: string, ...args: string[]) => helm(verb, 'longpo', ...args, '--namespace', namespace);
  const waiting = ['--wait', '--timeout', '120s'];
  const items = async (...args: string[]): Promise<Item[]> =>
    JSON.parse(await bed.kubectl('get', ...args, '-n', namespace, '-o', 'json')).items;
  const configHash = async () => {
    const [deployment] = await items('deployment');
    return deployment?.spec.template.metadata.annotations['longpo.dev/config-hash'];
  };
  const podNames = async () =>
    (await items('pods', '-l', 'app.kubernetes.io/component=controller'))
      .filter(({ status }) => status.phase === 'Running')
      .map(({ metadata }) => metadata.name)
      .toSorted();
  const holder = async () => (await items('leases'))[0]?.spec?.holderIdentity ?? '';
  const revisions = async () =>
    (JSON.parse(await run('history', '-o', 'json')) as { revision: number; status: string }[]).map(
      ({ revision, status }) => `${revision} ${status}`,
    );
  let firstHash: string | undefined;

  it('installs two replicas that are ready, one of which leads', async () => {
    await run('install', chartFolder, ...waiting);
    const pods = await podNames();
    expect(pods).toHaveLength(2);
    await vi.waitFor(async () => {
      const name = await holder();
      expect(pods.filter((pod) => name.startsWith(pod))).toHaveLength(1);
    }, patience);
    firstHash = await configHash();
  });

  it('spreads them over the nodes, and serves both kinds', async () => {
    const nodes = await bed.kubectl(
      'get',
      'pods',
      '-n',
      namespace,
      '-o',
      'jsonpath={.items[*].spec.nodeName}',
    );
    expect(nodes.split(' ').toSorted()).toEqual(['node-1', 'node-2']);
    expect(JSON.parse(await bed.kubectl('get', 'lpt,lps', '-A', '-o', 'json')).items).toEqual([]);
  });

  it('passes its own test, which leaves nothing', async () => {
    await run('test', '--timeout', '120s');
    const left = await items('pods,configmaps', '-l', 'app.kubernetes.io/component=check');
    expect(left.map(({ metadata }) => metadata.name)).toEqual([]);
  });

  it('refuses a value that it does not know, and changes nothing', async () => {
    await expect(run('upgrade', chartFolder, '--set', 'config.concurency=8')).rejects.toThrow("'concurency'");
    expect(await revisions()).toEqual(['1 deployed']);
  });

  it('replaces the pods one by one when a value changes, and a new one leads', async () => {
    const before = await podNames();
    await run('upgrade', chartFolder, '--set', 'config.concurrency=8', ...waiting);
    await vi.waitFor(async () => {
      const pods = await podNames();
      const name = await holder();
      expect(pods.filter((pod) => before.includes(pod))).toEqual([]);
      expect(pods.filter((pod) => name.startsWith(pod))).toHaveLength(1);
    }, patience);
    expect(await configHash()).not.toBe(firstHash);
  });

  it('goes back to what it was', async () => {
    await run('rollback', '1', ...waiting);
    expect(await configHash()).toBe(firstHash);
    expect(await revisions()).toEqual(['1 superseded', '2 superseded', '3 deployed']);
  });

  it('leaves the kinds and nothing else', async () => {
    await run('uninstall', '--wait');
    const resources = await bed.kubectl('api-resources', '--verbs=list,delete', '-o', 'name');
    const all = resources.trim().split('\n').join(',');
    const left = async () => {
      const list = await bed.kubectl('get', all, '-A', '-o', 'json', '-l', 'app.kubernetes.io/name=longpo');
      return (JSON.parse(list) as { items: Item[] }).items.map(
        ({ kind, metadata }) => `${kind}/${metadata.name}`,
      );
    };
    await vi.waitFor(
      async () =>
        expect((await left()).toSorted()).toEqual([
          'CustomResourceDefinition/longposervings.longpo.dev',
          'CustomResourceDefinition/longpotrainings.longpo.dev',
        ]),
      patience,
    );
    // Made at run time, so without the release's labels.
    const [leases, secrets] = [await items('leases'), await items('secrets')];
    expect([...leases, ...secrets].map(({ metadata }) => metadata.name)).toEqual([]);
  });
});
