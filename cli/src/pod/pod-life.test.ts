import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podFixture, type RecordedLife, startLife, until } from './fixture/pod-fixture.ts';
import { NotReadyError } from './runtime.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pod-life-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const sh = (script: string, rest: object = {}) => ({
  name: 'main',
  image: 'local',
  command: ['sh', '-c', script],
  ...rest,
});
const start = (spec: object, runtime: object = {}): RecordedLife =>
  startLife(podFixture(spec), folder, runtime);
const conditionsOf = ({ last }: RecordedLife) =>
  Object.fromEntries((last().conditions ?? []).map(({ type, status, reason }) => [type, reason ?? status]));
const main = ({ last }: RecordedLife) => last().containerStatuses?.[0];
const count = (file: string) => `echo x >> ${join('..', file)}; n=$(wc -l < ${join('..', file)})`;

describe('a pod that runs to its end', () => {
  it('succeeds with its termination message and every time of a kubelet', async () => {
    const pod = start({
      restartPolicy: 'Never',
      containers: [sh('echo done > "$LONGPO_TERMINATION_LOG"')],
    });
    await pod.life.ended;
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const condition = (type: string, status: string, rest: object = {}) => ({
      type,
      status,
      lastTransitionTime: time,
      ...rest,
    });
    expect(pod.last()).toEqual({
      phase: 'Succeeded',
      startTime: time,
      conditions: [
        condition('PodReadyToStartContainers', 'False'),
        condition('Initialized', 'True', { reason: 'PodCompleted' }),
        condition('Ready', 'False', { reason: 'PodCompleted' }),
        condition('ContainersReady', 'False', { reason: 'PodCompleted' }),
      ],
      containerStatuses: [
        {
          name: 'main',
          image: 'local',
          imageID: 'local',
          ready: false,
          started: false,
          restartCount: 0,
          containerID: expect.stringMatching(/^process:/),
          state: {
            terminated: {
              exitCode: 0,
              reason: 'Completed',
              message: 'done\n',
              startedAt: time,
              finishedAt: time,
              containerID: expect.stringMatching(/^process:/),
            },
          },
        },
      ],
    });
  });

  it('fails with the exit code, and with the end of the log where the policy says so', async () => {
    const policy = { terminationMessagePolicy: 'FallbackToLogsOnError' };
    const pod = start({ restartPolicy: 'Never', containers: [sh('echo broken; exit 3', policy)] });
    await pod.life.ended;
    expect([pod.last().phase, main(pod)?.state?.terminated, conditionsOf(pod)]).toMatchObject([
      'Failed',
      { exitCode: 3, reason: 'Error', message: 'broken\n' },
      { Initialized: 'True', Ready: 'PodFailed', ContainersReady: 'PodFailed' },
    ]);
  });

  it('gives 127 for a command that does not exist', async () => {
    const pod = start({ restartPolicy: 'Never', containers: [{ name: 'main', command: ['longpo-none'] }] });
    await pod.life.ended;
    expect([pod.last().phase, main(pod)?.state?.terminated?.exitCode]).toEqual(['Failed', 127]);
  });

  it('is ended by its deadline', async () => {
    const pod = start({
      restartPolicy: 'Always',
      activeDeadlineSeconds: 0.2,
      containers: [sh('exec sleep 60')],
    });
    await pod.life.ended;
    expect(pod.last()).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  });
});

describe('restarts', () => {
  it('starts a failed container again and remembers how it ended', async () => {
    const pod = start({
      restartPolicy: 'OnFailure',
      containers: [sh(`${count('runs')}; [ $n = 3 ] || exit $((40 + n))`)],
    });
    await pod.life.ended;
    expect([pod.last().phase, main(pod)]).toMatchObject([
      'Succeeded',
      {
        restartCount: 2,
        state: { terminated: { exitCode: 0 } },
        lastState: { terminated: { exitCode: 42 } },
      },
    ]);
    const waiting = pod.statuses.map((status) => status.containerStatuses?.[0]?.state?.waiting?.reason);
    expect(waiting).toContain('CrashLoopBackOff');
  });

  it('ends a back-off when the pod is stopped, with the last exit in the status', async () => {
    const pod = start({ restartPolicy: 'Always', containers: [sh('exit 5')] }, { backOffMs: () => 60_000 });
    await until(() => main(pod)?.state?.waiting?.reason === 'CrashLoopBackOff');
    expect(pod.last().phase).toBe('Running');
    await pod.life.stop(1000);
    expect([pod.last().phase, main(pod)?.state?.terminated?.exitCode]).toEqual(['Failed', 5]);
  });
});

describe('init containers', () => {
  const init = (name: string, script: string, rest: object = {}) => ({ ...sh(script, rest), name });

  it('run in turn and before the containers', async () => {
    const pod = start({
      restartPolicy: 'Never',
      initContainers: [init('a', 'echo a >> ../order'), init('b', 'echo b >> ../order')],
      containers: [sh('echo main >> ../order; cat ../order > "$LONGPO_TERMINATION_LOG"')],
    });
    await pod.life.ended;
    expect(main(pod)?.state?.terminated?.message).toBe('a\nb\nmain\n');
    expect(pod.last().initContainerStatuses?.map(({ ready }) => ready)).toEqual([true, true]);
  });

  it('fail the pod when they may not run again', async () => {
    const pod = start({
      restartPolicy: 'Never',
      initContainers: [init('a', 'exit 4')],
      containers: [sh('true')],
    });
    await pod.life.ended;
    expect([pod.last().phase, main(pod)?.state, conditionsOf(pod)]).toMatchObject([
      'Failed',
      { waiting: { reason: 'PodInitializing' } },
      { Initialized: 'ContainersNotInitialized' },
    ]);
  });

  it('run beside the containers as sidecars and end after them', async () => {
    const sidecar = 'trap "exit 0" TERM; touch ../up; while :; do sleep 0.02; done';
    const pod = start({
      restartPolicy: 'Never',
      initContainers: [init('side', sidecar, { restartPolicy: 'Always' })],
      containers: [sh('while ! [ -e ../up ]; do sleep 0.02; done')],
    });
    await pod.life.ended;
    expect([pod.last().phase, pod.last().initContainerStatuses?.[0]?.state]).toMatchObject([
      'Succeeded',
      { terminated: { exitCode: 0 } },
    ]);
  });
});

describe('probes', () => {
  const exec = (command: string, rest: object = {}) => ({
    exec: { command: ['sh', '-c', command] },
    ...rest,
  });

  it('make a pod ready and unready again', async () => {
    const readinessProbe = exec('test -e ../ready', { failureThreshold: 1, periodSeconds: 0.05 });
    const pod = start({ containers: [sh('touch ../ready; exec sleep 60', { readinessProbe })] });
    await until(() => conditionsOf(pod).Ready === 'True');
    rmSync(join(folder, 'ready'));
    await until(() => conditionsOf(pod).Ready === 'ContainersNotReady');
    expect(pod.last().conditions?.find(({ type }) => type === 'Ready')?.message).toBe(
      'containers with unready status: [main]',
    );
    await pod.life.stop(0);
  });

  it('restart a container that no longer answers', async () => {
    const livenessProbe = exec('test ! -e ../ill', { failureThreshold: 1, periodSeconds: 0.05 });
    // Only the first run falls ill, and its end takes the illness away: no run is ended for being slow.
    const ill = `trap 'rm ../ill; kill $!; exit 143' TERM; sleep 60 & touch ../ill; wait`;
    const script = `${count('runs')}; [ $n = 1 ] || exec sleep 60; ${ill}`;
    const pod = start({ containers: [sh(script, { livenessProbe })] });
    await until(() => main(pod)?.restartCount === 1 && main(pod)?.ready === true);
    expect(main(pod)?.lastState?.terminated?.exitCode).toBe(143);
    await pod.life.stop(0);
  });

  it('hold the others back until a container has started', async () => {
    const startupProbe = exec('test -e ../up', { failureThreshold: 1000, periodSeconds: 0.05 });
    const livenessProbe = exec('test -e ../up', { failureThreshold: 1, periodSeconds: 0.05 });
    const script = 'sleep 0.5; touch ../up; exec sleep 60';
    const pod = start({ containers: [sh(script, { startupProbe, livenessProbe })] });
    await until(() => main(pod)?.started === true);
    expect(main(pod)?.restartCount).toBe(0);
    await pod.life.stop(0);
  });

  it('ask over HTTP and TCP', async () => {
    const server: Server = createServer((request, response) => {
      response.statusCode = request.url === '/healthz' ? 200 : 500;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const fast = { periodSeconds: 0.05 };
    const pod = start({
      containers: [
        {
          ...sh('exec sleep 60'),
          name: 'good',
          readinessProbe: { httpGet: { path: '/healthz', port }, ...fast },
        },
        { ...sh('exec sleep 60'), name: 'bad', readinessProbe: { httpGet: { path: '/', port }, ...fast } },
        { ...sh('exec sleep 60'), name: 'open', readinessProbe: { tcpSocket: { port }, ...fast } },
      ],
    });
    const ready = () => pod.last().containerStatuses?.map((status) => status.ready);
    await until(() => ready()?.[0] === true && ready()?.[2] === true);
    expect(ready()).toEqual([true, false, true]);
    await pod.life.stop(0);
    server.close();
  });
});

describe('the end of a pod', () => {
  it('asks first, after the preStop hook, and takes the exit code as the answer', async () => {
    const lifecycle = { preStop: { exec: { command: ['touch', '../hooked'] } } };
    const polite = 'trap "test -e ../hooked && exit 75" TERM; touch ../up; while :; do sleep 0.02; done';
    const pod = start({ restartPolicy: 'Never', containers: [sh(polite, { lifecycle })] });
    await until(() => pod.exists('up'));
    await pod.life.stop(10_000);
    expect([pod.last().phase, main(pod)?.state?.terminated?.exitCode]).toEqual(['Failed', 75]);
  });

  it('kills what does not end in its grace period', async () => {
    const deaf = 'trap "" TERM; touch ../up; while :; do sleep 0.02; done';
    const pod = start({ restartPolicy: 'Never', containers: [sh(deaf)] });
    await until(() => pod.exists('up'));
    await pod.life.stop(100);
    expect([pod.last().phase, main(pod)?.state?.terminated?.exitCode]).toEqual(['Failed', 137]);
  });

  it('comes at once for a pod that still waits for its volumes', async () => {
    const pod = start(
      { containers: [sh('true')] },
      {
        prepare: async () => {
          throw new NotReadyError('claim data is not bound');
        },
      },
    );
    await until(() => pod.warnings.length > 0);
    await pod.life.stop(1000);
    expect([pod.warnings, pod.last().phase, main(pod)?.state]).toEqual([
      ['FailedMount: claim data is not bound'],
      'Failed',
      { waiting: { reason: 'ContainerCreating' } },
    ]);
  });
});
