import type { LongPOServing } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { decide } from '../../fixture/decision.ts';
import { failedWith, makeJob, makeServing, running, type Scene } from '../../fixture/training.ts';

const fetch = makeJob('fetch');
const generate = makeJob('generate', 'one');
const train = makeJob('train', 'one');
const verify = makeJob('verify', 'one');
const generator = (reason?: 'Available' | 'Starting' | 'Unavailable', message?: string) =>
  makeServing('demo-one-gen', reason, message);
const deleting = (serving: LongPOServing): LongPOServing => ({
  ...serving,
  metadata: { ...serving.metadata, deletionTimestamp: '2026-11-24T11:59:00Z' },
});
const stages = [
  { name: 'one', contextLength: 1024 },
  { name: 'two', contextLength: 2048 },
];
const ownFile = [{ name: 'one', contextLength: 1024, preferences: { uri: '/rows.jsonl' } }];
const endpoint = { url: 'http://vllm:8000/v1', model: 'mistral' };

const nothing: string[] = [];
const rows: [
  name: string,
  scene: Scene,
  wanted: { apply: string[]; remove?: string[]; state: string; succeeded: string },
][] = [
  [
    'nothing there yet -> wants the fetch Job',
    {},
    { apply: ['Job/demo-fetch-a1'], state: 'Fetching', succeeded: 'Unknown Fetching' },
  ],
  [
    'fetch runs -> waits',
    { jobs: [makeJob('fetch', '', running)] },
    { apply: nothing, state: 'Fetching', succeeded: 'Unknown Fetching' },
  ],
  [
    'fetch failed with exit 2 -> ModelInvalid and nothing more is applied',
    { jobs: [makeJob('fetch', '', failedWith(2))] },
    { apply: nothing, state: 'Failed', succeeded: 'False ModelInvalid' },
  ],
  [
    'fetch failed, retried annotation newer than the failure -> attempt 2',
    {
      jobs: [makeJob('fetch', '', failedWith(2))],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T11:00:01Z' },
    },
    { apply: ['Job/demo-fetch-a2'], state: 'Fetching', succeeded: 'Unknown Fetching' },
  ],
  [
    'fetch failed, retried annotation older than the failure -> stays failed',
    {
      jobs: [makeJob('fetch', '', failedWith(2))],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T10:59:59Z' },
    },
    { apply: nothing, state: 'Failed', succeeded: 'False ModelInvalid' },
  ],
  [
    'fetch complete without a word -> failed',
    { jobs: [makeJob('fetch', '', { result: undefined })] },
    { apply: nothing, state: 'Failed', succeeded: 'False DataInvalid' },
  ],
  [
    'fetch complete without a word, then retried -> attempt 2',
    {
      jobs: [makeJob('fetch', '', { result: undefined })],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T11:30:00Z' },
    },
    { apply: ['Job/demo-fetch-a2'], state: 'Fetching', succeeded: 'Unknown Fetching' },
  ],
  [
    'model has 9 heads, degree 12 -> PlanInvalid',
    {
      jobs: [fetch],
      spec: { stages: [{ name: 'one', contextLength: 1024, parallelism: { sequence: 12 } }] },
    },
    { apply: nothing, state: 'Failed', succeeded: 'False PlanInvalid' },
  ],
  [
    'documents on a claim that is not mounted -> PlanInvalid before anything runs',
    { spec: { documents: { uri: 'pvc://other/documents' } } },
    { apply: nothing, state: 'Failed', succeeded: 'False PlanInvalid' },
  ],
  [
    'model fetched -> wants the generator server and no Job yet',
    { jobs: [fetch] },
    { apply: ['LongPOServing/demo-one-gen'], state: 'Generating', succeeded: 'Unknown Generating' },
  ],
  [
    'generator server starts -> waits for it',
    { jobs: [fetch], servings: [generator('Starting')] },
    { apply: ['LongPOServing/demo-one-gen'], state: 'Generating', succeeded: 'Unknown Generating' },
  ],
  [
    'generator server is ready -> wants the generate Job',
    { jobs: [fetch], servings: [generator('Available')] },
    {
      apply: ['LongPOServing/demo-one-gen', 'Job/demo-one-generate-a1'],
      state: 'Generating',
      succeeded: 'Unknown Generating',
    },
  ],
  [
    'generator server of an earlier attempt is on its way out -> waits for the new one',
    {
      jobs: [fetch, makeJob('generate', 'one', failedWith(1))],
      servings: [deleting(generator('Available'))],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T11:30:00Z' },
    },
    { apply: ['LongPOServing/demo-one-gen'], state: 'Generating', succeeded: 'Unknown Generating' },
  ],
  [
    'generator server restarts while the Job runs -> keeps both',
    { jobs: [fetch, makeJob('generate', 'one', running)], servings: [generator('Starting')] },
    { apply: ['LongPOServing/demo-one-gen'], state: 'Generating', succeeded: 'Unknown Generating' },
  ],
  [
    'generator server can never answer -> Unavailable',
    { jobs: [fetch], servings: [generator('Unavailable', '[DOES_NOT_FIT] too large')] },
    { apply: nothing, state: 'Failed', succeeded: 'False Unavailable' },
  ],
  [
    'generator server could never answer, then retried -> makes it anew',
    {
      jobs: [fetch],
      servings: [generator('Unavailable')],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T11:45:00Z' },
    },
    {
      apply: nothing,
      remove: ['LongPOServing/demo-one-gen'],
      state: 'Generating',
      succeeded: 'Unknown Generating',
    },
  ],
  [
    'generate failed with exit 4 -> DataInvalid and the server gives its machine back',
    { jobs: [fetch, makeJob('generate', 'one', failedWith(4))], servings: [generator('Available')] },
    {
      apply: nothing,
      remove: ['LongPOServing/demo-one-gen'],
      state: 'Failed',
      succeeded: 'False DataInvalid',
    },
  ],
  [
    'data written, server still there -> removes it and does not train yet',
    { jobs: [fetch, generate], servings: [generator('Available')] },
    {
      apply: nothing,
      remove: ['LongPOServing/demo-one-gen'],
      state: 'Generating',
      succeeded: 'Unknown Generating',
    },
  ],
  [
    'data written, server gone -> wants the train Job',
    { jobs: [fetch, generate] },
    { apply: ['Job/demo-one-train-a1'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'user preferences -> no generator',
    { jobs: [fetch], spec: { stages: ownFile } },
    { apply: ['Job/demo-one-train-a1'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'own endpoint -> no LongPOServing',
    { jobs: [fetch], spec: { generate: { endpoint } } },
    { apply: ['Job/demo-one-generate-a1'], state: 'Generating', succeeded: 'Unknown Generating' },
  ],
  [
    'ranks in three pods -> the headless Service comes before the Job',
    {
      jobs: [fetch],
      spec: {
        stages: ownFile.map((stage) => ({ ...stage, parallelism: { sequence: 3, processesPerPod: 1 } })),
      },
    },
    {
      apply: ['Service/demo-one-train-a1', 'Job/demo-one-train-a1'],
      state: 'Training',
      succeeded: 'Unknown Training',
    },
  ],
  [
    'loss is not finite -> NonFiniteLoss',
    { jobs: [fetch, generate, makeJob('train', 'one', failedWith(70))] },
    { apply: nothing, state: 'Failed', succeeded: 'False NonFiniteLoss' },
  ],
  [
    'train failed, then retried -> attempt 2 of train and nothing else again',
    {
      jobs: [fetch, generate, makeJob('train', 'one', failedWith(1))],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T11:30:00Z' },
    },
    { apply: ['Job/demo-one-train-a2'], state: 'Training', succeeded: 'Unknown Training' },
  ],
  [
    'train complete -> verify',
    { jobs: [fetch, generate, train] },
    { apply: ['Job/demo-one-verify-a1'], state: 'Verifying', succeeded: 'Unknown Verifying' },
  ],
  [
    'checkpoint changed on disk -> CheckpointInvalid',
    { jobs: [fetch, generate, train, makeJob('verify', 'one', failedWith(4))] },
    { apply: nothing, state: 'Failed', succeeded: 'False CheckpointInvalid' },
  ],
  [
    'first of two stages verified -> the second gets its own generator',
    { jobs: [fetch, generate, train, verify], spec: { stages } },
    { apply: ['LongPOServing/demo-two-gen'], state: 'Generating', succeeded: 'Unknown Generating' },
  ],
  [
    'last stage verified -> wants the LongPOServing',
    { jobs: [fetch, generate, train, verify] },
    { apply: ['LongPOServing/demo'], state: 'Serving', succeeded: 'Unknown Serving' },
  ],
  [
    'last stage verified, serving disabled -> Succeeded',
    { jobs: [fetch, generate, train, verify], spec: { serving: { enabled: false } } },
    { apply: nothing, state: 'Succeeded', succeeded: 'True Completed' },
  ],
  [
    'serving disabled since it was made -> removes it',
    {
      jobs: [fetch, generate, train, verify],
      spec: { serving: { enabled: false } },
      servings: [makeServing('demo', 'Available')],
    },
    { apply: nothing, remove: ['LongPOServing/demo'], state: 'Succeeded', succeeded: 'True Completed' },
  ],
  [
    'serving ready -> Succeeded',
    { jobs: [fetch, generate, train, verify], servings: [makeServing('demo', 'Available')] },
    { apply: ['LongPOServing/demo'], state: 'Succeeded', succeeded: 'True Completed' },
  ],
  [
    'serving can never answer -> Unavailable',
    { jobs: [fetch, generate, train, verify], servings: [makeServing('demo', 'Unavailable', 'no')] },
    { apply: nothing, state: 'Failed', succeeded: 'False Unavailable' },
  ],
  [
    'serving could never answer, then retried -> makes it anew',
    {
      jobs: [fetch, generate, train, verify],
      servings: [makeServing('demo', 'Unavailable', 'no')],
      annotations: { 'longpo.dev/retried-at': '2026-11-24T11:45:00Z' },
    },
    { apply: nothing, remove: ['LongPOServing/demo'], state: 'Serving', succeeded: 'Unknown Serving' },
  ],
];

describe('decideTraining', () => {
  it.each(rows)('%s', (_, scene, wanted) => {
    expect(decide(scene).summary).toEqual({ remove: [], ...wanted });
  });
});
