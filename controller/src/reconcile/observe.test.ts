import { labels } from '@longpo/api';
import { expect, it } from 'vitest';
import { jobs, type Reader, type Resource } from '../cluster.ts';
import { resultOf } from '../fixture/results.ts';
import { hasLostResult } from '../policies/attempt.ts';
import { observeTraining } from './observe.ts';

const training = {
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  metadata: { name: 'demo', namespace: 'research', uid: 'uid-of-training' },
  spec: {
    model: { uri: '/models/small' },
    documents: { uri: '/documents' },
    stages: [{ name: 'one', contextLength: 1024 }],
  },
};
const child = (kind: string, name: string, owner: string) => ({
  kind,
  metadata: {
    name,
    namespace: 'research',
    uid: `uid-of-${name}`,
    labels: { [labels.training]: 'demo', [labels.role]: 'generate', [labels.stage]: 'one' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'any', name: 'any', uid: owner, controller: true }],
  },
});
const job = {
  apiVersion: 'batch/v1',
  ...child('Job', 'demo-one-generate-a1', 'uid-of-training'),
  spec: { completions: 1, template: {} },
  status: { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: '2026-11-24T11:00:00Z' }] },
};
const terminated = { exitCode: 0, message: JSON.stringify(resultOf('generate', 'one')) };
const pod = {
  apiVersion: 'v1',
  ...child('Pod', 'demo-one-generate-a1-0-x', job.metadata.uid),
  status: { phase: 'Succeeded', containerStatuses: [{ name: 'generate', state: { terminated } }] },
};

/** An API server that answers for Jobs late: this one begins and ends before it does. */
function slowForJobs(): Reader {
  const there: Resource[] = [];
  return {
    get: async () => training as unknown as Resource,
    async list({ kind }) {
      if (kind === jobs.kind) {
        await new Promise((resolve) => setImmediate(resolve));
        there.push(job as unknown as Resource, pod as unknown as Resource);
      }
      return there.filter((object) => object.kind === kind);
    },
  };
}

it('has the result of a Job that begins and ends while its children are read', async () => {
  const ref = { apiVersion: training.apiVersion, kind: training.kind, namespace: 'research', name: 'demo' };
  const seen = await observeTraining(slowForJobs(), ref);
  const [view] = seen?.observed.jobs ?? [];
  expect(view?.result).toEqual(resultOf('generate', 'one'));
  expect(view && hasLostResult(view)).toBe(false);
});
