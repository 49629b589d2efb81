/** States of one training as the controller and the pods of a real quickstart wrote them, shortened to one stage. */
import {
  type LongPOTraining,
  type LongPOTrainingStatus,
  longpoTraining,
  type ProgressReport,
} from '@longpo/api';
import { smolLM2 } from '../plan/reference-models.fixture.ts';

const digest = (start: string) => `sha256:${start.padEnd(64, '0')}`;

const base = longpoTraining.parse({
  apiVersion: 'longpo.dev/v1alpha1',
  kind: 'LongPOTraining',
  metadata: { name: 'demo' },
  spec: {
    model: { uri: '/models/m' },
    documents: { uri: '/documents' },
    stages: [{ name: '1k', contextLength: 1024 }],
  },
});

export const withStatus = (status: LongPOTrainingStatus): LongPOTraining => ({ ...base, status });

type Reported = Pick<ProgressReport, 'role' | 'completed' | 'total' | 'unit'> & Partial<ProgressReport>;

export const report = (progress: Reported): ProgressReport => ({
  stage: '1k',
  attempt: 1,
  phase: progress.role === 'serve' ? 'load' : progress.role,
  reportedAt: '2026-11-24T10:00:00Z',
  ...progress,
});

export const model = { path: '/models/m', digest: digest('39fc10e35d54'), facts: smolLM2 };
export const stage = { name: '1k', attempt: 1, restarts: 0 };
export const data = {
  path: 'demo/1k/data/rows.jsonl',
  rows: 3,
  turns: 4,
  dropped: { no_question: 2, identical: 0 },
};
export const checkpoint = {
  path: 'demo/1k/checkpoint',
  digest: digest('00fc2b872a99'),
  step: 3,
  rows: 3,
  loss: 3.375_01,
  rewardMargin: 0.076_3,
  rewardAccuracy: 2 / 3,
  peakMemoryBytes: 3_080_290_304,
  verified: false,
};
export const verified = { ...checkpoint, verified: true };

const generating = (completed: number): LongPOTrainingStatus => ({
  state: 'Generating',
  model,
  stages: [
    {
      ...stage,
      state: 'Generating',
      progress: report({
        role: 'generate',
        completed,
        total: 8,
        unit: 'items',
        tokensPerSecond: 163.4,
        metrics: { 'dropped/no_question': 1 },
      }),
    },
  ],
});

const training = (progress: Omit<Reported, 'role'>): LongPOTrainingStatus => ({
  state: 'Training',
  model,
  stages: [{ ...stage, state: 'Training', data, progress: report({ role: 'train', ...progress }) }],
});

const step = (completed: number, loss: number): LongPOTrainingStatus =>
  training({
    completed,
    total: 3,
    unit: 'steps',
    tokensPerSecond: 48.2,
    etaSeconds: 15 * (3 - completed),
    metrics: { loss, 'rewards/margins': 0.0082 },
  });

/** Ten seconds apart. */
export const recordedRun: LongPOTrainingStatus[] = [
  { state: 'Fetching', stages: [{ ...stage, state: 'Pending' }] },
  {
    state: 'Fetching',
    fetchProgress: report({ role: 'fetch', stage: '', completed: 100e6, total: 270e6, unit: 'bytes' }),
    stages: [{ ...stage, state: 'Pending' }],
  },
  { state: 'Generating', model, stages: [{ ...stage, state: 'Generating' }] },
  generating(1),
  generating(2),
  generating(3),
  generating(7),
  { state: 'Training', model, stages: [{ ...stage, state: 'Training', data }] },
  training({ phase: 'reference', completed: 2, total: 3, unit: 'rows', tokensPerSecond: 210 }),
  step(1, 3.612),
  step(2, 3.4),
  step(3, 3.375),
  training({ phase: 'export', completed: 269e6, total: 538e6, unit: 'bytes' }),
  { state: 'Verifying', model, stages: [{ ...stage, state: 'Verifying', data, checkpoint }] },
  {
    state: 'Serving',
    model,
    stages: [{ ...stage, state: 'Succeeded', data, checkpoint: verified }],
    servingRef: { name: 'demo' },
  },
  {
    state: 'Succeeded',
    model,
    stages: [{ ...stage, state: 'Succeeded', data, checkpoint: verified }],
    servingRef: { name: 'demo' },
    url: 'http://demo.default.svc:8000/v1',
  },
];
