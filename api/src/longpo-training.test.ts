import { describe, expect, it } from 'vitest';
import { longpoServingSpec, longpoTraining, longpoTrainingSpec } from './index.ts';

const smallest = {
  model: { uri: '/models/smollm2' },
  documents: { uri: '/documents' },
  stages: [{ name: 'one', contextLength: 131_072 }],
};

describe('LongPOTraining', () => {
  it('has the defaults of the original training command', () => {
    expect(longpoTrainingSpec.parse(smallest)).toEqual({
      ...smallest,
      suspend: false,
      storage: { claimName: 'longpo', whenDeleted: 'Retain' },
      podTemplate: {},
      resources: {},
      seed: 42,
      generate: {
        quantization: 'int8',
        concurrency: 4,
        chunkTokens: { min: 16_384, max: 30_000 },
        minDocumentTokens: 0,
        maxDocuments: 0,
        chunksPerDocument: 4,
        questionsPerChunk: 4,
        question: { temperature: 0.7, topP: 0.9, maxTokens: 1024 },
        answer: { temperature: 1, topP: 1, maxTokens: 1024 },
        filter: {
          refusals: true,
          maxRepetitionChosen: 0.9,
          maxRepetitionRejected: 0.95,
          identical: true,
        },
      },
      train: {
        method: 'longpo',
        beta: 0.01,
        lambda: 0.01,
        nllWeight: 1,
        multiTurnLoss: 'joint',
        learningRate: 5e-7,
        warmupRatio: 0.1,
        lrSchedulerType: 'cosine',
        optim: 'rmsprop',
        weightDecay: 0,
        maxGradNorm: 1,
        perDeviceTrainBatchSize: 1,
        gradientAccumulationSteps: 8,
        numTrainEpochs: 1,
        maxSteps: 0,
        dtype: 'bf16',
        tf32: true,
        gradientCheckpointing: true,
        gradientCheckpointingLayers: 1,
        gradientCheckpointingOffload: false,
        tiledMlpShards: 1,
        saveSteps: 500,
        saveTotalLimit: 2,
        loggingSteps: 1,
        evalFraction: 0,
        evalSteps: 50,
        onNonFiniteLoss: 'stop',
        ddpTimeout: 1800,
        reportTo: 'none',
        exportDtype: 'bf16',
      },
      restarts: { maxPerStage: 5, windowSeconds: 21_600, stallAfterSeconds: 3600 },
      checkpoints: { retain: 'All' },
      serving: { enabled: true, engine: 'onnxruntime', tensorParallelSize: 1, parallelSequences: 2 },
      stages: [{ name: 'one', contextLength: 131_072, parallelism: { sequence: 1, data: 1 } }],
    });
  });

  it('reads what it has written: defaults are filled once', () => {
    const filled = longpoTrainingSpec.parse(smallest);
    expect(longpoTrainingSpec.parse(filled)).toEqual(filled);
  });

  it('keeps what the API server adds to the metadata', () => {
    const metadata = { name: 'demo', namespace: 'research', uid: 'u', generation: 2, resourceVersion: '7' };
    const object = { apiVersion: 'longpo.dev/v1alpha1', kind: 'LongPOTraining', metadata, spec: smallest };
    expect(longpoTraining.parse(object).metadata).toEqual(metadata);
  });

  it.each([
    ['hf://org/name', true],
    ['hf://org/name@v1.0', true],
    ['hf://org/name@refs/pr/1', true],
    ['pvc://claim/models/x', true],
    ['/models/x', true],
    ['hf://name', false],
    ['pvc://claim', false],
    ['models/x', false],
    ['s3://bucket/x', false],
    ['/', false],
  ])('takes the model uri %s: %s', (uri, valid) => {
    expect(longpoTrainingSpec.safeParse({ ...smallest, model: { uri } }).success).toBe(valid);
  });
});

describe('LongPOServing', () => {
  it('has defaults for everything but the model', () => {
    expect(longpoServingSpec.parse({ model: { uri: '/models/smollm2' } })).toEqual({
      model: { uri: '/models/smollm2' },
      storage: { claimName: 'longpo' },
      replicas: 1,
      podTemplate: {},
      engine: 'onnxruntime',
      tensorParallelSize: 1,
      parallelSequences: 2,
    });
  });

  it('serves from a folder only: what comes from the hub was fetched before', () => {
    expect(longpoServingSpec.safeParse({ model: { uri: 'hf://org/name' } }).success).toBe(false);
  });
});
