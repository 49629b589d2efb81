import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { admit } from '../../cli/src/admission/admit.ts';
import { ApiError } from '../../controller/src/kubernetes/api-error.ts';
import { loadConnection } from '../../controller/src/kubernetes/connection.ts';
import { Transport } from '../../controller/src/kubernetes/transport.ts';
import { type Bed, startBed } from '../cluster/start-bed.ts';

/** The CRDs in a real API server: what zod and cel-js say of an object, it says too. */
const root = join(import.meta.dirname, '..', '..');
const fixtures = (folder: string) =>
  readdirSync(join(root, 'test', 'fixtures', folder)).map((file): [string, string] => [
    file,
    readFileSync(join(root, 'test', 'fixtures', folder, file), 'utf8'),
  ]);

interface Stored {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; resourceVersion?: string };
  spec: Record<string, unknown>;
}

let bed: Bed;
let api: Transport;
const namespace = 'research';
const plurals: Record<string, string> = {
  LongPOTraining: 'longpotrainings',
  LongPOServing: 'longposervings',
};
const pathOf = ({ apiVersion, kind }: Stored) =>
  `/apis/${apiVersion}/namespaces/${namespace}/${plurals[kind] ?? `${kind.toLowerCase()}s`}`;
const create = (object: Stored, query: Record<string, string> = {}) =>
  api.call('POST', pathOf(object), {
    query: { fieldValidation: 'Strict', ...query },
    body: { ...object, metadata: { ...object.metadata, namespace } },
  }) as Promise<Stored>;

beforeAll(async () => {
  bed = await startBed({ nodes: 0 });
  api = new Transport(loadConnection({ kubeconfig: bed.kubeconfig }));
  await bed.kubectl('apply', '--server-side', '-f', join(root, 'manifests', 'crds'));
  await bed.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s');
  await bed.kubectl('create', 'namespace', namespace);
});
afterAll(() => bed?.stop());

describe('the API server', () => {
  it.each(fixtures('valid'))('stores %s as zod fills it in', async (_file, text) => {
    const object = parse(text) as Stored;
    const stored = await create(object, { dryRun: 'All' });
    const admitted = admit(object);
    expect('object' in admitted ? stored.spec : admitted).toEqual(
      'object' in admitted && admitted.object.spec,
    );
  });

  // The first line of an invalid fixture is "# <field>: <message>".
  it.each(fixtures('invalid'))('refuses %s, and names the same field', async (file, text) => {
    const object = parse(text) as Stored;
    const field = text.split('\n')[0]?.replace(/^# /, '').split(': ')[0] ?? '';
    const error = await create({ ...object, metadata: object.metadata ?? {} }, { dryRun: 'All' }).catch(
      (refused: unknown) => refused,
    );
    expect(error).toBeInstanceOf(ApiError);
    if (file === 'kind.yaml' || file === 'api-version.yaml') return; // there is nothing of that name to post to
    if (file === 'metadata-missing.yaml') expect(String(error)).toContain('name or generateName is required');
    else expect(String(error)).toContain(placeOf(field));
  });

  it('refuses a change of what was made from, and takes one of what comes later', async () => {
    const training = await create(object('edited'));
    const change = (spec: object) =>
      api.call('PATCH', `${pathOf(training)}/edited`, {
        contentType: 'application/merge-patch+json',
        query: { dryRun: 'All' },
        body: { spec },
      });
    await expect(change({ model: { uri: '/other' } })).rejects.toThrow(/spec\.model cannot be changed/);
    await expect(change({ seed: 1 })).rejects.toThrow(/spec\.seed cannot be changed/);
    await change({ suspend: true, train: { saveSteps: 7 } });
    await setStage(training, 'Training');
    const [one, two] = training.spec.stages as Record<string, unknown>[];
    const refusal = /a stage that has begun cannot be removed or changed/;
    await expect(change({ stages: [{ ...one, contextLength: 100 }, two] })).rejects.toThrow(refusal);
    await expect(change({ stages: [two] })).rejects.toThrow(refusal);
    const before = { ...one, name: 'before', contextLength: 512 };
    const order = /a stage that has not begun must come after those that have/;
    await expect(change({ stages: [before, one, two] })).rejects.toThrow(order);
    await change({ stages: [one, { ...two, name: 'between', contextLength: 1536 }, two] });
    await change({ stages: [{ ...one, parallelism: { sequence: 3, data: 2 } }, two] });
    await change({ stages: [one] });
  });

  it('keeps what two writers of one status own apart', async () => {
    const training = await create(object('two-writers'));
    const apply = (fieldManager: string, status: object) =>
      api.call('PATCH', `${pathOf(training)}/two-writers/status`, {
        contentType: 'application/apply-patch+yaml',
        query: { fieldManager, force: true },
        body: {
          apiVersion: training.apiVersion,
          kind: training.kind,
          metadata: { name: 'two-writers' },
          status,
        },
      });
    await apply('longpo-controller', {
      stages: [{ name: 'one', state: 'Training', attempt: 1, restarts: 0 }],
    });
    await apply('longpo-progress', { stages: [{ name: 'one', progress }] });
    await apply('longpo-controller', {
      stages: [{ name: 'one', state: 'Verifying', attempt: 1, restarts: 1 }],
    });
    const { status } = (await api.call('GET', `${pathOf(training)}/two-writers`)) as { status: object };
    expect(status).toEqual({
      stages: [{ name: 'one', state: 'Verifying', attempt: 1, restarts: 1, progress }],
    });
  });

  it('shows a training as a row of a dashboard', async () => {
    const training = await create(object('row'));
    await setStage(training, 'Training', {
      state: 'Training',
      currentStage: 'one',
      progress: '40%',
      gpus: 8,
    });
    const rows = await bed.kubectl('get', 'lpt', 'row', '-n', namespace);
    expect(
      rows
        .split('\n')[0]
        ?.split(/ {2,}/)
        .map((title) => title.trim()),
    ).toEqual(['NAME', 'STATE', 'STAGE', 'PROGRESS', 'GPUS', 'REASON', 'AGE']);
    expect(rows.split('\n')[1]).toMatch(/^row +Training +one +40% +8 /);
    expect(await bed.kubectl('get', 'longpo', '-n', namespace, '-o', 'name')).toContain(
      'longpotraining.longpo.dev/row',
    );
  });

  it('scales a serving by its subresource', async () => {
    const [, text = ''] = fixtures('valid').find(([file]) => file === 'serving.yaml') ?? [];
    const serving = parse(text) as Stored;
    await create(serving);
    await bed.kubectl('scale', 'lps', serving.metadata.name, '-n', namespace, '--replicas=0');
    const { spec } = (await api.call('GET', `${pathOf(serving)}/${serving.metadata.name}`)) as Stored;
    expect(spec.replicas).toBe(0);
  });
});

const progress = {
  role: 'train',
  stage: 'one',
  attempt: 1,
  phase: 'train',
  completed: 4,
  total: 10,
  unit: 'steps',
  percent: 40,
  reportedAt: '2026-11-24T12:00:00Z',
  advancedAt: '2026-11-24T12:00:00Z',
};

const object = (name: string): Stored => ({
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  metadata: { name, namespace },
  spec: {
    model: { uri: '/models/small' },
    documents: { uri: '/documents' },
    stages: [
      { name: 'one', contextLength: 1024 },
      { name: 'two', contextLength: 2048 },
    ],
  },
});

function setStage(training: Stored, state: string, rest: object = {}): Promise<unknown> {
  const stages = ['one', 'two'].map((name, n) => ({
    name,
    state: n === 0 ? state : 'Pending',
    attempt: 1,
    restarts: 0,
  }));
  return api.call('PATCH', `${pathOf(training)}/${training.metadata.name}/status`, {
    contentType: 'application/merge-patch+json',
    body: { status: { ...rest, stages } },
  });
}

/** A duplicate key is the list's in our words and the item's in the API server's; unknown fields are named in one line. */
const placeOf = (field: string): string => field.replace(/\.name$/, '').replace(/\[\d+\]$/, '');
