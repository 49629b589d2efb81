import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerProcess, PodResource, Runtime } from '../../../cli/src/pod/index.ts';
import { ApiError, ConnectionError } from '../../../controller/src/kubernetes/api-error.ts';
import { NodePods } from './node-pods.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-pods-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const pod = (rest: object = {}): PodResource => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', uid: 'u', ...rest },
  spec: { restartPolicy: 'Always', containers: [{ name: 'main', image: 'x' }] },
});
const deleted = (seconds: number) =>
  pod({ deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: seconds });

/** A container that ends when it is asked to with at most `patienceMs`, and a server that keeps what it was sent. */
function world({ patienceMs = Number.POSITIVE_INFINITY, failures = [] as Error[] } = {}) {
  const asked: number[] = [];
  const calls: { method: string; path: string; body: unknown }[] = [];
  const gone = Promise.withResolvers<void>();
  const runtime: Runtime = {
    prepare: async () => ({}),
    release: async () => {},
    start: async () => {
      const ended = Promise.withResolvers<number>();
      const process: Partial<ContainerProcess> = {
        id: 'process://1',
        exited: ended.promise,
        async stop(graceMs) {
          asked.push(graceMs);
          if (graceMs <= patienceMs) ended.resolve(0);
          await ended.promise;
        },
        readMessage: () => '',
      };
      return process as ContainerProcess;
    },
  };
  const api = {
    async call(method: string, path: string, { body }: { body?: unknown } = {}) {
      calls.push({ method, path, body });
      if (method !== 'DELETE') return {};
      const failure = failures.shift();
      if (failure) throw failure;
      gone.resolve();
      return {};
    },
  };
  const pods = new NodePods({ api, runtime, nodeName: 'node-1', runFolder: folder, onError: () => {} });
  const phases = () =>
    calls.flatMap(({ body }) => (body as { status?: { phase?: string } }).status?.phase ?? []);
  const isRunning = async () => {
    while (!phases().includes('Running')) await new Promise(setImmediate);
  };
  const deletions = () => calls.filter(({ method }) => method === 'DELETE');
  return { pods, asked, gone: gone.promise, phases, isRunning, deletions, calls };
}

const modified = (object: PodResource) => ({ type: 'MODIFIED' as const, object, previous: object });

describe('the end of a pod', () => {
  it('begins once, however often the object is written meanwhile, and again only to be quicker', async () => {
    const { pods, asked, gone, isRunning, deletions } = world({ patienceMs: 1000 });
    pods.handle({ type: 'ADDED', object: pod() });
    await isRunning();
    for (const seconds of [30, 30, 30, 1, 1]) pods.handle(modified(deleted(seconds)));
    await gone;
    expect(asked).toEqual([30_000, 1000]);
    expect(deletions().map(({ path, body }) => [path, body])).toEqual([
      [
        '/api/v1/namespaces/default/pods/p',
        { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid: 'u' } },
      ],
    ]);
  });

  it('is reported before the object goes', async () => {
    const { pods, gone, isRunning, calls } = world();
    pods.handle({ type: 'ADDED', object: pod() });
    await isRunning();
    pods.handle(modified(deleted(30)));
    await gone;
    const last = calls.slice(-2).map(({ method, body }) => [method, (body as PodResource).status?.phase]);
    expect(last).toEqual([
      ['PATCH', 'Succeeded'],
      ['DELETE', undefined],
    ]);
  });

  it('is told to the API server until it hears it', async () => {
    const { pods, gone, isRunning, deletions } = world({ failures: [new ConnectionError('no answer')] });
    pods.handle({ type: 'ADDED', object: pod() });
    await isRunning();
    pods.handle(modified(deleted(0)));
    await gone;
    expect(deletions().length).toBe(2);
  });
});

it('lets go of an object that is another one by now', async () => {
  const { pods, asked, deletions } = world({ failures: [new ApiError(409, 'Conflict', 'another uid')] });
  pods.handle({ type: 'ADDED', object: deleted(30) });
  while (deletions().length === 0) await new Promise(setImmediate);
  expect(asked).toEqual([]);
  expect(pods.find('default', 'p')).toBeUndefined();
});

it('reports a pod as lost that ran under an agent before it', async () => {
  const { pods, calls } = world();
  const containers = [{ name: 'main', image: 'x', imageID: 'x', ready: true, restartCount: 2 }];
  const status = {
    phase: 'Running',
    startTime: '2026-01-01T00:00:00Z',
    containerStatuses: [{ ...containers[0], state: { running: {} } }],
  } as NonNullable<PodResource['status']>;
  pods.handle({ type: 'ADDED', object: { ...pod(), status } });
  await new Promise(setImmediate);
  const reported = (calls[0]?.body as PodResource | undefined)?.status;
  const conditions = reported?.conditions?.map(({ type, status: is }) => `${type}=${is}`);
  expect([calls.length, reported?.phase, reported?.reason, conditions]).toEqual([
    1,
    'Failed',
    'NodeLost',
    ['DisruptionTarget=True', 'Ready=False', 'ContainersReady=False', 'PodReadyToStartContainers=False'],
  ]);
  expect(reported?.containerStatuses).toMatchObject([
    {
      ready: false,
      restartCount: 2,
      state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } },
    },
  ]);
});
