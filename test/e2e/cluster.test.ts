import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LongPOTraining } from '../../api/src/index.ts';
import { chartFolder, openHelm } from '../chart/helm.ts';
import { operatorImages } from '../cluster/operator-images.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';
import { askServed, fastTraining, makeFastWorld } from './longpo-run.ts';

/**
 * The walking line on a real control plane: Helm installs the operator, kubectl applies a training, the scheduler and
 * the Job controller run its pods, and a Service answers.
 */
let bed: Bed;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longpo-cluster-'));
  const python = process.env.LONGPO_PYTHON;
  if (python === undefined) throw new Error('set LONGPO_PYTHON, as test/run.ts does');
  bed = await startBed({ images: operatorImages(python) });
}, 20 * 60_000);
afterAll(async () => {
  await bed?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const namespace = 'research';
const kubectl = (...args: string[]) => bed.kubectl('-n', namespace, ...args);

async function training(): Promise<LongPOTraining> {
  return JSON.parse(await kubectl('get', 'lpt', 'fast', '-o', 'json')) as LongPOTraining;
}

/** Model and documents on a claim, as a platform's own tools would put them there. */
async function fillClaim(): Promise<string> {
  await bed.apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'longpo', namespace },
      spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '10Gi' } } },
    }),
  );
  await kubectl('wait', '--for=jsonpath={.status.phase}=Bound', 'pvc/longpo', '--timeout=60s');
  const volume = (await kubectl('get', 'pvc', 'longpo', '-o', 'jsonpath={.spec.volumeName}')).trim();
  const path = await kubectl('get', 'pv', volume, '-o', 'jsonpath={.spec.hostPath.path}');
  const world = await makeFastWorld(folder);
  mkdirSync(join(path, 'models'), { recursive: true });
  cpSync(world.model, join(path, 'models', 'small'), { recursive: true });
  cpSync(world.documents, join(path, 'documents'), { recursive: true });
  return path;
}

describe('a training in a cluster', () => {
  it('goes from kubectl apply to an answer over its Service, on three pods that find each other by name', async () => {
    const helm = await openHelm({ kubeconfig: bed.kubeconfig });
    await helm('install', 'longpo', chartFolder, '-n', 'longpo-system', '--create-namespace', '--wait');
    await bed.kubectl('create', 'namespace', namespace);
    const volume = await fillClaim();
    const [stage] = fastTraining.spec.stages;
    await bed.apply(
      JSON.stringify({
        ...fastTraining,
        metadata: { name: 'fast', namespace },
        spec: {
          ...fastTraining.spec,
          model: { uri: 'pvc://longpo/models/small' },
          documents: { uri: 'pvc://longpo/documents' },
          podTemplate: { env: [{ name: 'OMP_NUM_THREADS', value: '1' }] },
          stages: [{ ...stage, parallelism: { sequence: 3, processesPerPod: 1 } }],
        },
      }),
    );
    await kubectl('wait', 'lpt/fast', '--for=condition=Succeeded', '--timeout=900s').catch(async (error) => {
      throw new Error(`${String(error)}\n${JSON.stringify((await training()).status, null, 1)}`);
    });

    const { status } = await training();
    const checkpoint = status?.stages?.[0]?.checkpoint;
    expect(checkpoint).toMatchObject({ path: 'fast/short/checkpoint', step: 4, verified: true });
    const manifest = join(volume, 'fast', 'short', 'checkpoint', 'longpo-checkpoint.json');
    expect(JSON.parse(readFileSync(manifest, 'utf8'))).toMatchObject({ digest: checkpoint?.digest });
    // Progress is written at most every ten seconds, so the last report may come after the end.
    await kubectl(
      'wait',
      'lpt/fast',
      '--for=jsonpath={.status.stages[0].progress.role}=verify',
      '--timeout=60s',
    );
    const trainers = await kubectl('get', 'pods', '-l', 'longpo.dev/role=train', '-o', 'name');
    expect(trainers.trim().split('\n')).toHaveLength(3);

    const port = await bed.forward(`fast.${namespace}.svc.cluster.local`, 8000);
    expect(await askServed(`http://127.0.0.1:${port}/v1`)).toMatch(/^1\. /);
    const row = (await kubectl('get', 'lpt', 'fast', '--no-headers')).trim();
    expect(row).toMatch(/^fast +Succeeded +/);
    expect(await kubectl('get', 'events.events.k8s.io', '--field-selector=regarding.name=fast')).toContain(
      'StageFinished',
    );
  });

  it('leaves nothing behind when it is deleted, but the claim', async () => {
    await kubectl('delete', 'lpt', 'fast', '--cascade=foreground', '--timeout=120s');
    const kinds =
      'longpo,jobs,pods,services,deployments,poddisruptionbudgets,networkpolicies,persistentvolumeclaims';
    expect((await kubectl('get', kinds, '-o', 'name')).trim()).toBe('persistentvolumeclaim/longpo');
  });
});
