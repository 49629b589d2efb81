import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PodResource } from '../../cli/src/pod/index.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { settled } from '../waiting.ts';

let bed: Bed;
/** Where a clean clone may lie: below a folder that pods mount a volume over, closed to all users but one. */
const closed = mkdtempSync(join(tmpdir(), 'longpo-image-'));
const program = join(closed, 'image', 'bin', 'program');
beforeAll(async () => {
  mkdirSync(join(program, '..'), { recursive: true });
  writeFileSync(program, '#!/bin/sh\necho from the image\n', { mode: 0o755 });
  const image = { path: [join(program, '..')], folders: [join(closed, 'image')] };
  bed = await startBed({ nodes: 2, images: { 'packed/': image } });
});
afterAll(async () => {
  await bed?.stop();
  rmSync(closed, { recursive: true });
});

const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};
const podSecurity = { runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532 };

const create = (...items: object[]) => bed.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));

const podOf = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 5, ...spec },
});
const sh = (script: string, rest: object = {}) => ({
  name: 'main',
  image: 'any',
  command: ['sh', '-c', script],
  ...rest,
});

async function read<T = PodResource>(...what: string[]): Promise<T> {
  return JSON.parse(await bed.kubectl('get', ...what, '-o', 'json')) as T;
}

/** The object once it is as wanted, or as it is when that does not come. */
function until<T = PodResource>(what: string[], isGood: (object: T) => boolean): Promise<T> {
  return settled(() => read<T>(...what), isGood);
}

const isOver = ({ status }: PodResource) => status?.phase === 'Succeeded' || status?.phase === 'Failed';
const isReady = ({ status }: PodResource) =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
const isRunning = ({ status }: PodResource) => status?.containerStatuses?.[0]?.state?.running !== undefined;
const main = ({ status }: PodResource) => status?.containerStatuses?.[0];

describe('what a container finds', () => {
  it('has the files of its image under a volume at /tmp, for a user that may not go there', async () => {
    const container = {
      ...sh('program; touch "$(dirname "$(command -v program)")/new" || echo kept'),
      image: 'packed/program:1',
      securityContext: restricted,
      volumeMounts: [{ name: 'tmp', mountPath: tmpdir() }],
    };
    const spec = {
      containers: [container],
      volumes: [{ name: 'tmp', emptyDir: {} }],
      securityContext: podSecurity,
    };
    await create(podOf('packed', spec));
    await until(['pod', 'packed'], isOver);
    const lines = (await bed.kubectl('logs', 'packed')).split('\n');
    expect(lines[0]).toBe('from the image');
    expect(lines).toContain('kept');
    expect(statSync(closed).mode & 0o777).toBe(0o700);
  });

  it('has each kind of volume, for a user without rights on a root that cannot be written', async () => {
    const script = [
      'id -u; id -G; grep CapBnd /proc/self/status',
      'cat /config/key /secret/key /down/name /longpo/deep/er',
      'for place in /longpo /memory /empty; do echo x > $place/new && echo wrote $place; done',
      'for place in / /tmp /config /readonly; do echo x 2>/dev/null > $place/new || echo kept $place; done',
      'test -s /token/token && echo token; echo $SECRET $FROM_key; cat /proc/1/comm',
    ].join('\n');
    const volumeMounts = [
      ...['config', 'secret', 'down', 'empty', 'memory', 'token'].map((name) => ({
        name,
        mountPath: `/${name}`,
      })),
      { name: 'data', mountPath: '/longpo' },
      { name: 'data', mountPath: '/readonly', readOnly: true },
    ];
    const secretKeyRef = { name: 'things', key: 'key' };
    await create(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'things' }, data: { key: 'public\n' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'things' }, stringData: { key: 'hidden' } },
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
      },
      podOf('finds', {
        securityContext: podSecurity,
        initContainers: [
          sh('echo deep > /sub/er', {
            name: 'init',
            securityContext: restricted,
            volumeMounts: [{ name: 'data', mountPath: '/sub', subPath: 'deep' }],
          }),
        ],
        containers: [
          sh(script, {
            securityContext: restricted,
            volumeMounts,
            env: [{ name: 'SECRET', valueFrom: { secretKeyRef } }],
            envFrom: [{ prefix: 'FROM_', configMapRef: { name: 'things' } }],
          }),
        ],
        volumes: [
          { name: 'config', configMap: { name: 'things' } },
          { name: 'secret', secret: { secretName: 'things', defaultMode: 0o400 } },
          {
            name: 'down',
            downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] },
          },
          { name: 'empty', emptyDir: {} },
          { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } },
          { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
          {
            name: 'token',
            projected: {
              sources: [{ serviceAccountToken: { path: 'token', audience: 'longpo.dev/report' } }],
            },
          },
        ],
      }),
    );
    const pod = await until(['pod', 'finds'], isOver);
    expect(pod.status?.phase, JSON.stringify(pod.status)).toBe('Succeeded');
    expect(await bed.kubectl('logs', 'finds', '-c', 'main')).toBe(
      [
        ...['65532', '65532', 'CapBnd:\t0000000000000000'],
        ...['public', 'hiddenfindsdeep'],
        ...['wrote /longpo', 'wrote /memory', 'wrote /empty'],
        ...['kept /', 'kept /tmp', 'kept /config', 'kept /readonly'],
        ...['token', 'hidden public', 'sh', ''],
      ].join('\n'),
    );
  });

  it('refuses to run as root what must not', async () => {
    await create(podOf('rooted', { securityContext: { runAsNonRoot: true }, containers: [sh('true')] }));
    const pod = await until(['pod', 'rooted'], (found) => main(found)?.state?.waiting?.message !== undefined);
    expect([pod.status?.phase, main(pod)?.state?.waiting]).toEqual([
      'Pending',
      {
        reason: 'CreateContainerConfigError',
        message: 'container has runAsNonRoot and image will run as root (pod: "rooted", container: main)',
      },
    ]);
  });

  it('waits for a secret that comes later', async () => {
    const valueFrom = { secretKeyRef: { name: 'late', key: 'key' } };
    await create(podOf('early', { containers: [sh('echo $LATE', { env: [{ name: 'LATE', valueFrom }] })] }));
    const waiting = await until(['pod', 'early'], (pod) => main(pod)?.state?.waiting?.message !== undefined);
    expect(main(waiting)?.state?.waiting?.message).toBe('secret "late" not found');
    await create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'late' },
      stringData: { key: 'here' },
    });
    await until(['pod', 'early'], isOver);
    expect(await bed.kubectl('logs', 'early')).toBe('here\n');
  });
});

describe('a process that handles no signal', () => {
  it.each([
    ['is killed when its grace period is over: as process 1 it hears none', false, 137],
    ['ends at once where its pod shares a process namespace', true, 143],
  ])('%s', async (_, shareProcessNamespace, exitCode) => {
    const name = `unhandled-${exitCode}`;
    const container = {
      ...sh(''),
      command: ['node', '-e', 'setInterval(() => undefined, 1000)'],
      livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 },
    };
    await create(podOf(name, { containers: [container], shareProcessNamespace }));
    const pod = await until(['pod', name], isOver);
    expect(main(pod)?.state?.terminated?.exitCode).toBe(exitCode);
  });
});

describe('a server in a pod', () => {
  const server = `require('node:http').createServer((_, response) => response.end('hello')).listen(8000);
process.on('SIGTERM', () => process.exit(0))`;

  it('is reached by the name of its Service once it is ready, and takes commands', async () => {
    await create(
      podOf('server', {
        containers: [
          {
            ...{ name: 'main', image: 'any', command: ['node', '-e', server] },
            ports: [{ name: 'http', containerPort: 8000 }],
            readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
          },
        ],
      }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'server' },
        spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'http' }] },
      },
    );
    expect(isReady(await until(['pod', 'server'], isReady))).toBe(true);
    const ask = 'until curl -sf http://server.default.svc; do sleep 0.2; done';
    await create(podOf('client', { containers: [sh(ask)] }));
    await until(['pod', 'client'], isOver);
    expect(await bed.kubectl('logs', 'client')).toBe('hello');
    expect(await bed.kubectl('exec', 'server', '--', 'hostname')).toBe('server\n');
    await expect(bed.kubectl('exec', 'server', '--', 'sh', '-c', 'exit 5')).rejects.toThrow('exit code 5');
  });

  it('is gone when its node is drained', async () => {
    const { spec } = await read('pod', 'server');
    await bed.kubectl('drain', spec?.nodeName ?? '', '--force', '--delete-emptydir-data', '--timeout=60s');
    await bed.kubectl('uncordon', spec?.nodeName ?? '');
    await expect(bed.kubectl('get', 'pod', 'server')).rejects.toThrow('not found');
  });
});

it('gives the logs of the run before the last, and follows those of the last', async () => {
  const script =
    'if [ -e /v/2 ]; then echo second; sleep 1; echo end; else touch /v/2; echo first; exit 1; fi';
  await create(
    podOf('talks', {
      restartPolicy: 'OnFailure',
      containers: [sh(script, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
      volumes: [{ name: 'v', emptyDir: {} }],
    }),
  );
  await until(['pod', 'talks'], (pod) => main(pod)?.restartCount === 1 && (isRunning(pod) || isOver(pod)));
  expect(await bed.kubectl('logs', 'talks', '--follow')).toBe('second\nend\n');
  expect(await bed.kubectl('logs', 'talks', '--previous')).toBe('first\n');
});

it('loses the pods of a node whose agent is gone, and a Job replaces them without counting', async () => {
  const own = 'sleep 61234'; // a process that nobody else on this machine has
  const template = {
    spec: { restartPolicy: 'Never', nodeName: 'node-2', containers: [sh(`exec ${own}`)] },
  };
  const onPodConditions = [{ type: 'DisruptionTarget', status: 'True' }];
  await create({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'lost' },
    spec: { backoffLimit: 0, template, podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions }] } },
  });
  type List = { items: PodResource[] };
  const pods = ['pods', '-l', 'batch.kubernetes.io/job-name=lost'];
  const [before] = (await until<List>(pods, ({ items }) => items.some(isRunning))).items;
  const processes = async () =>
    (await promisify(execFile)('sh', ['-c', `pgrep -fx "${own}" || true`])).stdout.trim();
  expect(await processes()).not.toBe('');
  await bed.component('node-2').stop();
  while ((await processes()) !== '') await new Promise((resolve) => setTimeout(resolve, 20));
  await bed.component('node-2').start();
  const name = before?.metadata.name ?? '';
  const lost = await until(['pod', name], isOver);
  expect([lost.status?.phase, lost.status?.reason, main(lost)?.state?.terminated?.exitCode]).toEqual([
    'Failed',
    'NodeLost',
    137,
  ]);
  const after = await until<List>(pods, ({ items }) => items.some(isRunning));
  expect(after.items.filter(isRunning).length).toBe(1);
  const job = await read<{ status: { failed?: number; active?: number } }>('job', 'lost');
  expect([job.status.failed ?? 0, job.status.active]).toEqual([0, 1]);
});
