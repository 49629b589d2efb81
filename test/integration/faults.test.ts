import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionOf, type LongPOTraining } from '../../api/src/index.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import type { ProxyHooks, Stream } from '../operator/api-proxy.ts';
import { evictTrainers, untilEmpty, untilExists, untilRunning } from '../operator/namespace-waits.ts';
import { type Case, type CaseOptions, quickJobs, standInImages, World } from '../operator/world.ts';
import { differences, type Outcome, runCase } from '../perturb/run-case.ts';

/** docs/faults.md: what breaks, what is promised, and the test of that name here. */
let bed: Bed;
let world: World;
let undisturbed: Outcome['end'];
beforeAll(async () => {
  bed = await startBed({ nodes: 2, images: standInImages, extra: quickJobs });
  world = new World(bed);
  await world.install();
  undisturbed = (await runCase(world, 'undisturbed', { kind: 'none' })).end;
}, 20 * 60_000);
afterAll(async () => {
  world?.close();
  await bed?.stop();
});

type Stages = NonNullable<NonNullable<LongPOTraining['status']>['stages']>;
const inState = (state: Stages[number]['state']) => (training: LongPOTraining) =>
  training.status?.stages?.[0]?.state === state;
const work = { workMs: 1500 };

async function withCase(options: CaseOptions, during: (opened: Case) => Promise<void>): Promise<void> {
  const opened = await world.open(options);
  try {
    await during(opened);
  } finally {
    await opened.close();
  }
}

/** The training ends as one that nobody disturbed. */
async function endsUndisturbed(opened: Case, timeoutMs?: number): Promise<void> {
  await opened.untilFinished(timeoutMs);
  await opened.untilQuiet();
  expect(differences(await opened.snapshot(), undisturbed)).toEqual([]);
}

/** As above, where pods were started more than once: everything but the runs and the counts of failures is the same. */
async function endsWithTheSameObjects(opened: Case, timeoutMs?: number): Promise<LongPOTraining> {
  const training = await opened.untilFinished(timeoutMs);
  await opened.untilQuiet();
  const { objects, orphans } = await opened.snapshot();
  // Pods that have ended may be gone with their node.
  const names = (lines: string[]) =>
    lines.filter((line) => !line.startsWith('Pod ')).map((line) => line.replace(/ failed=\d+/, ''));
  expect(names(objects)).toEqual(names(undisturbed.objects));
  expect(orphans).toEqual([]);
  expect(training.status?.stages?.map(({ state }) => state)).toEqual(['Succeeded', 'Succeeded']);
  return training;
}

/** What every case would feel: one at a time. The others are in namespaces of their own. */
describe('what the whole cluster feels', () => {
  it('goes on after the API server was away for a minute', async () => {
    await withCase({ namespace: 'api-away', standIn: work }, async (opened) => {
      await opened.until('training', inState('Training'));
      const apiServer = bed.component('kube-apiserver');
      await apiServer.stop();
      await sleep(60_000);
      await apiServer.start();
      // Kubernetes' own controllers take up to a minute and a half to come back, on a busy machine more than three.
      await endsUndisturbed(opened, 400_000);
    });
  });

  it('moves to another node when one is gone', async () => {
    await withCase({ namespace: 'node-gone', standIn: { workMs: 8000 } }, async (opened) => {
      await opened.until('training', inState('Training'));
      await untilRunning(world.api, opened.namespace, 3);
      await bed.component('node-2').stop();
      await bed.kubectl('delete', 'node', 'node-2', '--wait=false');
      const training = await endsWithTheSameObjects(opened, 300_000);
      expect(training.status?.stages?.[0]?.restarts).toBe(0);
      await bed.component('node-2').start();
    });
  });
});

describe.concurrent('while the API is ill', () => {
  it('lists again when its place in the history is gone (410)', async () => {
    let answered = 0;
    const streams = new Set<Stream>();
    let isExpired = false;
    const hooks: ProxyHooks = {
      onLine(line, stream) {
        streams.add(stream);
        stream.send(line);
      },
      onWatch(url) {
        if (!isExpired) return;
        answered++;
        url.searchParams.set('resourceVersion', '1');
      },
    };
    await withCase({ namespace: 'expired', hooks, standIn: work }, async (opened) => {
      await opened.until('generating', inState('Generating'));
      isExpired = true;
      for (const stream of streams) stream.break();
      await sleep(5000);
      isExpired = false;
      await endsUndisturbed(opened);
      expect(answered).toBeGreaterThan(0);
    });
  });

  it('survives watches that end in the middle of a line', async () => {
    let cut = 0;
    const hooks: ProxyHooks = {
      onLine(line, stream) {
        if (line.type !== 'BOOKMARK' && ++cut % 20 === 0) stream.cut(line);
        else stream.send(line);
      },
    };
    await withCase({ namespace: 'half-lines', hooks }, endsUndisturbed);
    expect(cut).toBeGreaterThan(20);
  });

  it('survives a storm of 429 and 500, also after a write was done', async () => {
    let requests = 0;
    const hooks: ProxyHooks = {
      onRequest(incoming, response) {
        requests++;
        if (incoming.url?.includes('watch=')) return false;
        if (requests % 3 === 0) response.writeHead(429, { 'retry-after': '1' }).end('{}');
        else if (requests % 5 === 0) response.writeHead(500).end('{}');
        else return false;
        return true;
      },
      onWrite({ number }) {
        if (number % 7 === 0) throw new Error('the answer is lost');
      },
    };
    await withCase({ namespace: 'storm', hooks }, (opened) => endsUndisturbed(opened, 240_000));
  });
});

describe.concurrent('when pods are lost', () => {
  it('counts nothing when all pods are evicted at once', async () => {
    await withCase({ namespace: 'evicted', standIn: { workMs: 8000 } }, async (opened) => {
      await opened.until('training', inState('Training'));
      const evicted = await evictTrainers(world.api, opened.namespace, 3);
      expect(evicted).toBe(3);
      const training = await endsWithTheSameObjects(opened);
      expect(training.status?.stages?.[0]?.restarts).toBe(0);
    });
  });

  it('starts a rank with exit code 75 again and counts nothing', async () => {
    const misfortunes = [{ role: 'train' as const, stage: 'one', index: 1, times: 2, exit: 75 }];
    await withCase({ namespace: 'exit-75', standIn: { misfortunes } }, async (opened) => {
      const training = await endsWithTheSameObjects(opened);
      expect(training.status?.stages?.[0]?.restarts).toBe(0);
    });
  });

  it('ends the training at once on exit code 2, with the pod, the node and the words of the error', async () => {
    const misfortunes = [{ role: 'train' as const, stage: 'one', index: 1, times: 99, exit: 2 }];
    await withCase({ namespace: 'exit-2', standIn: { misfortunes } }, async (opened) => {
      const { status } = await opened.untilFinished();
      const succeeded = status?.conditions?.find(({ type }) => type === 'Succeeded');
      expect(succeeded).toMatchObject({ status: 'False', reason: 'ConfigInvalid' });
      expect(status?.stages?.[0]?.lastFailure).toMatchObject({
        pod: expect.stringMatching(/^demo-one-train-a1-1-/) as string,
        node: expect.stringMatching(/^node-/) as string,
        exitCode: 2,
        code: 'MISFORTUNE',
      });
    });
  });

  it('counts a rank that is killed for memory, and goes on', async () => {
    const misfortunes = [{ role: 'train' as const, stage: 'two', index: 2, times: 1, exit: 137 }];
    await withCase({ namespace: 'killed', standIn: { misfortunes } }, async (opened) => {
      const training = await endsWithTheSameObjects(opened);
      expect(training.status?.stages?.map(({ restarts }) => restarts)).toEqual([0, 1]);
      expect(training.status?.stages?.[1]?.lastFailure).toMatchObject({ exitCode: 137 });
    });
  });

  it('gives up when a stage fails more often than its budget', async () => {
    const misfortunes = [{ role: 'train' as const, times: 99, exit: 1 }];
    const spec = { restarts: { maxPerStage: 1 } };
    await withCase({ namespace: 'budget', standIn: { misfortunes }, spec }, async (opened) => {
      const { status } = await opened.untilFinished();
      expect(status?.conditions?.find(({ type }) => type === 'Succeeded')).toMatchObject({
        status: 'False',
        reason: 'RestartsExhausted',
      });
    });
  });

  it('starts a Job whose pods hang again', async () => {
    const misfortunes = [{ role: 'train' as const, stage: 'one', index: 0, times: 1, hang: true }];
    const spec = { restarts: { stallAfterSeconds: 10 } };
    await withCase({ namespace: 'stalled', standIn: { misfortunes }, spec }, async (opened) => {
      const training = await endsWithTheSameObjects(opened, 180_000);
      expect(training.status?.stages?.[0]?.restarts).toBe(1);
    });
  });
});

/** A pod waits for 10 s before it is said that it cannot start. */
describe.concurrent('when pods cannot start', () => {
  const podsReady = ({ status }: LongPOTraining) => conditionOf(status, 'PodsReady');
  const cannotStart = (training: LongPOTraining) => podsReady(training)?.reason === 'PodsCannotStart';
  const role = { name: 'STAND_IN', value: '{}' };

  it('says which pod fits no node, once, and goes on when a node fits', async () => {
    const spec = { podTemplate: { env: [role], nodeSelector: { 'longpo.test/fits': 'yes' } } };
    await withCase({ namespace: 'unschedulable', spec }, async (opened) => {
      const training = await opened.until('a pod cannot start', cannotStart);
      expect(podsReady(training)?.message).toMatch(
        /^0 of 1 pods of Job demo-fetch-a1 run; pod demo-fetch-a1-0-\w+ \(fetch\) waits since 2\S+Z: Unschedulable: 0\/2 nodes are available: .*didn't match Pod's node affinity/,
      );
      expect(conditionOf(training.status, 'Succeeded')).toMatchObject({
        status: 'Unknown',
        reason: 'Fetching',
      });
      // What the scheduler tries again and again is nothing new.
      const writes = opened.writes;
      await bed.kubectl('label', 'node', 'node-1', 'longpo.test/other=yes');
      await sleep(5000);
      expect(opened.writes).toBe(writes);
      await bed.kubectl('label', 'node', 'node-1', 'longpo.test/fits=yes');
      await endsUndisturbed(opened);
      expect(await warnings(opened.namespace, 'PodsCannotStart')).toHaveLength(1);
    });
  });

  it('says which secret is missing, once, and goes on when it comes', async () => {
    const secretKeyRef = { name: 'hub', key: 'token' };
    const env = [role, { name: 'HF_TOKEN', valueFrom: { secretKeyRef } }];
    await withCase({ namespace: 'no-secret', spec: { podTemplate: { env } } }, async (opened) => {
      const training = await opened.until('a pod cannot start', cannotStart);
      expect(podsReady(training)?.message).toMatch(
        /; pod demo-fetch-a1-0-\w+ \(fetch\) waits since 2\S+Z: CreateContainerConfigError: secret "hub" not found$/,
      );
      await bed.kubectl(
        'create',
        'secret',
        'generic',
        'hub',
        '--from-literal=token=t',
        '-n',
        opened.namespace,
      );
      await endsUndisturbed(opened);
      expect(await warnings(opened.namespace, 'PodsCannotStart')).toHaveLength(1);
    });
  });

  it('says where to look when a quota refuses the pods, once, and goes on when it is gone', async () => {
    await withCase({ namespace: 'no-quota', standIn: work }, async (opened) => {
      await opened.until('generating', inState('Generating'));
      await bed.kubectl('create', 'quota', 'few', '--hard=pods=1', '-n', opened.namespace);
      const training = await opened.until('pods are not made', cannotStart);
      expect(podsReady(training)?.message).toMatch(
        /; no pod \((generate|train) of stage one\) was made since 2\S+Z, \d are there: a quota or an admission policy may refuse them, see kubectl describe job demo-one-(generate|train)-a1$/,
      );
      await bed.kubectl('delete', 'quota', 'few', '-n', opened.namespace);
      await endsUndisturbed(opened, 400_000);
      expect(await warnings(opened.namespace, 'PodsCannotStart')).toHaveLength(1);
    });
  });
});

/** Events of the training, by reason. */
async function warnings(namespace: string, reason: string): Promise<string[]> {
  const fields = `--field-selector=reason=${reason},involvedObject.kind=LongPOTraining`;
  const text = await bed.kubectl('get', 'events', '-n', namespace, fields, '-o', 'name');
  return text.split('\n').filter((line) => line !== '');
}

describe.concurrent('when people interfere', () => {
  it.each(['fetch', 'generate', 'train', 'verify'])(
    'makes the %s Job again when somebody deletes it',
    async (role) => {
      await withCase({ namespace: `delete-${role}`, standIn: work }, async (opened) => {
        const job = role === 'fetch' ? 'demo-fetch-a1' : `demo-one-${role}-a1`;
        await untilExists(world.api, opened.namespace, job);
        await bed.kubectl('delete', 'job', job, '-n', opened.namespace, '--cascade=foreground');
        await endsWithTheSameObjects(opened);
      });
    },
  );

  it.each(['Fetching', 'Generating', 'Training', 'Verifying', 'Succeeded'])(
    'leaves nothing but the claim when a training is deleted while %s',
    async (state) => {
      await withCase({ namespace: `deleted-${state.toLowerCase()}`, standIn: work }, async (opened) => {
        await opened.until(state, ({ status }) => status?.state === state);
        await bed.kubectl(
          'delete',
          'lpt',
          'demo',
          '-n',
          opened.namespace,
          '--cascade=foreground',
          '--timeout=60s',
        );
        await opened.untilQuiet();
        const left = await untilEmpty(world.api, opened.namespace);
        expect(left).toEqual(['PersistentVolumeClaim/longpo']);
      });
    },
  );

  it.each(['Fetching', 'Generating', 'Training', 'Verifying'])('takes an edit while %s', async (state) => {
    await withCase({ namespace: `edited-${state.toLowerCase()}`, standIn: work }, async (opened) => {
      await opened.until(state, ({ status }) => status?.state === state);
      await patch(opened.namespace, { restarts: { maxPerStage: 9 }, train: { saveSteps: 7 } });
      await endsUndisturbed(opened);
    });
  });

  it('ends a Job of another shape before it starts the next attempt', async () => {
    await withCase({ namespace: 'reshaped', standIn: { workMs: 5000 } }, async (opened) => {
      const { spec } = await opened.until('training', inState('Training'));
      await untilRunning(world.api, opened.namespace, 3);
      const stages = spec.stages.map((stage) => ({
        ...stage,
        parallelism: { sequence: 2, processesPerPod: 1 },
      }));
      await patch(opened.namespace, { stages });
      const { status } = await opened.untilFinished();
      expect(status?.stages?.map(({ attempt, state }) => [state, attempt])).toEqual([
        ['Succeeded', 2],
        ['Succeeded', 1],
      ]);
      const runs = await opened.runs();
      expect(runs.filter((line) => line.startsWith('train one 2'))).toHaveLength(4);
    });
  });

  it('stops its pods when suspended and goes on when resumed', async () => {
    // Ranks that end before they hear of it leave a Job that is suspended and done.
    await withCase({ namespace: 'suspended', standIn: { workMs: 8000 } }, async (opened) => {
      await opened.until('training', inState('Training'));
      await untilRunning(world.api, opened.namespace, 3);
      await patch(opened.namespace, { suspend: true });
      await opened.until('suspended', ({ status }) => status?.state === 'Suspended');
      await untilRunning(world.api, opened.namespace, 0);
      await opened.untilQuiet();
      await patch(opened.namespace, { suspend: false });
      await endsWithTheSameObjects(opened);
    });
  });

  it('ends at its deadline and goes when its time to live is over', async () => {
    const spec = { activeDeadlineSeconds: 5, ttlSecondsAfterFinished: 3 };
    await withCase({ namespace: 'deadline', standIn: { workMs: 60_000 }, spec }, async (opened) => {
      const { status } = await opened.untilFinished();
      expect(status?.conditions?.find(({ type }) => type === 'Succeeded')).toMatchObject({
        status: 'False',
        reason: 'DeadlineExceeded',
      });
      expect(await untilEmpty(world.api, opened.namespace)).toEqual(['PersistentVolumeClaim/longpo']);
    });
  });
});

const patch = (namespace: string, spec: object) =>
  bed.kubectl('patch', 'lpt', 'demo', '-n', namespace, '--type=merge', '-p', JSON.stringify({ spec }));
