import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Deployment } from '@longpo/api';
import { deployments, pods, type Resource, refOf } from '@longpo/controller';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PodResource } from '../pod/index.ts';
import { startDeploymentController } from './deployment-controller.ts';
import { ObjectStore } from './object-store.ts';

let folder: string;
let store: ObjectStore;
let stop: () => Promise<void>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-deployments-'));
  store = new ObjectStore(folder);
  stop = startDeploymentController(store);
});
afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

function deploy(replicas: number, image: string): void {
  const template = {
    metadata: { labels: { app: 'demo' }, annotations: { note: image } },
    spec: { containers: [{ name: 'serve', image }] },
  };
  const deployment: Deployment & Resource = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'demo', namespace: 'default' },
    spec: { replicas, selector: { matchLabels: { app: 'demo' } }, template },
  };
  store.put(deployment);
}

const all = () => store.list(pods) as PodResource[];
const imageOf = (pod: PodResource) => pod.spec?.containers[0]?.image;
const isGoing = ({ metadata }: PodResource) => metadata.deletionTimestamp !== undefined;
/** What is there, for instance ['a', 'a going', 'b ready']. */
const scene = () =>
  all()
    .map((pod) => [imageOf(pod), pod.status && 'ready', isGoing(pod) && 'going'].filter(Boolean).join(' '))
    .sort();

const becomes = (expected: string[]) => vi.waitFor(() => expect(scene()).toEqual(expected));
const answer = (): void => {
  for (const pod of all().filter((candidate) => !candidate.status && !isGoing(candidate)))
    store.put({ ...pod, status: { conditions: [{ type: 'Ready', status: 'True' }] } });
};
const finish = (): void => {
  for (const pod of all().filter(isGoing)) store.delete(refOf(pod));
};
const status = () => store.get({ ...deployments, namespace: 'default', name: 'demo' })?.status;

it('replaces the pods of another template one by one, each after the one before it has gone', async () => {
  deploy(2, 'a');
  await becomes(['a', 'a']);
  answer();
  deploy(2, 'b');
  await becomes(['a ready', 'a ready going']);
  await vi.waitFor(() =>
    expect(status()).toEqual({ observedGeneration: 2, replicas: 1, updatedReplicas: 0, readyReplicas: 1 }),
  );
  finish();
  await becomes(['a ready', 'b']);
  answer();
  await becomes(['a ready going', 'b ready']);
  finish();
  await becomes(['b', 'b ready']);
  answer();
  await vi.waitFor(() =>
    expect(status()).toEqual({ observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2 }),
  );
});

it('replaces the only pod, whether it answers or not', async () => {
  deploy(1, 'a');
  await becomes(['a']);
  deploy(1, 'b');
  await becomes(['a going']);
  finish();
  await becomes(['b']);
});

it('removes pods that are too many, and gives each the annotations of its template', async () => {
  deploy(2, 'a');
  await becomes(['a', 'a']);
  deploy(1, 'a');
  await becomes(['a', 'a going']);
  expect(all().map(({ metadata }) => metadata.annotations)).toEqual([{ note: 'a' }, { note: 'a' }]);
});
