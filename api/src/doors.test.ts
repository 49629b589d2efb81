import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import * as api from './index.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const origin = { training: 'demo', stage: 'one', attempt: 1 };
const model = {
  architecture: 'LlamaForCausalLM',
  layers: 30,
  hiddenSize: 576,
  intermediateSize: 1536,
  attentionHeads: 9,
  keyValueHeads: 3,
  headDim: 64,
  vocabularySize: 49_152,
  maxPositionEmbeddings: 8192,
  ropeTheta: 1e5,
  parameters: 134_515_008,
};
const turn = { chunk: 'c', question: 'q', chosen: 'a', rejected: 'b' };
const train = {
  steps: 3,
  rows: 4,
  loss: 1.5,
  rewardMargin: -0.02,
  rewardAccuracy: 0.75,
  tokensPerSecond: 90,
  peakMemoryBytes: 6_700_000_000,
  resumedFromStep: 0,
  checkpoint: 'demo/one/checkpoint',
  master: 'demo/one/master',
  masterDigest: digest,
  digest,
};

interface Door {
  schema: z.ZodType;
  /** As a writer writes it. */
  example: Record<string, unknown>;
  /** Changes that must be refused, by the rule they break. */
  refused: Record<string, Record<string, unknown>>;
}

const doors: Record<string, Door> = {
  'checkpoint manifest': {
    schema: api.checkpointManifest,
    example: {
      apiVersion: 'longpo.dev/v1alpha1',
      kind: 'LongPOCheckpoint',
      training: 'demo',
      stage: 'one',
      step: 3,
      contextLength: 1024,
      dtype: 'f32',
      baseModelDigest: digest,
      digest,
      files: [{ path: 'model.safetensors', bytes: 9, sha256: 'b'.repeat(64) }],
      metrics: { loss: 1.5 },
      createdAt: '2026-11-24T12:00:00.123456+00:00',
      trainerVersion: '0.1.0',
    },
    refused: {
      'a path that leaves the folder by name': {
        files: [{ path: '/etc/passwd', bytes: 9, sha256: 'b'.repeat(64) }],
      },
      'no files': { files: [] },
      'a digest without its algorithm': { digest: 'a'.repeat(64) },
      'another version': { apiVersion: 'longpo.dev/v2' },
    },
  },
  'progress report': {
    schema: api.progressReport,
    example: {
      role: 'fetch',
      stage: '',
      attempt: 1,
      phase: 'fetch',
      completed: 0,
      total: 0,
      unit: 'bytes',
      reportedAt: '2026-11-24T12:00:00Z',
    },
    refused: {
      'a time without a zone': { reportedAt: '2026-11-24T12:00:00' },
      'another role': { role: 'evaluate' },
      'a metric that is not finite': { metrics: { loss: Number.NaN } },
    },
  },
  'preference row': {
    schema: api.preferenceRow,
    example: { id: 'manual.txt#0', source: 'manual.txt', document: 'd', turns: [turn] },
    refused: {
      'no turns': { turns: [] },
      'an empty answer': { turns: [{ ...turn, chosen: '' }] },
      'an unknown field': { score: 1 },
    },
  },
  'model config': {
    schema: api.modelConfig,
    example: {
      architectures: ['LlamaForCausalLM'],
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      vocab_size: 49_152,
      max_position_embeddings: 8192,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
      hidden_act: 'silu',
      attention_bias: false,
    },
    refused: { 'no layers': { num_hidden_layers: 0 }, 'no architecture': { architectures: [] } },
  },
  'fetch config': {
    schema: api.fetchConfig,
    example: { training: 'demo', uri: 'hf://org/name', destination: 'models/org--name/main' },
    refused: { 'an empty uri': { uri: '' } },
  },
  'verify config': {
    schema: api.verifyConfig,
    example: { ...origin, checkpoint: 'demo/one/checkpoint', digest, remove: ['demo/zero/master'] },
    refused: { 'attempt 0': { attempt: 0 } },
  },
  'serve config': {
    schema: api.serveConfig,
    example: {
      model: '/models/x',
      servedModelName: 'demo',
      quantization: 'int4',
      maxModelLen: null,
      ropeTheta: null,
      cache: 'cache',
      parallelSequences: 2,
    },
    refused: { 'bits that we do not have': { quantization: 'int2' }, 'no slot': { parallelSequences: 0 } },
  },
  'pod result': {
    schema: api.podResult,
    example: { fetch: { path: '/models/x', digest, model } },
    refused: {
      'an error code in small letters': { error: { code: 'out of memory', message: 'm' } },
      'an unknown role': { evaluate: {} },
    },
  },
};

describe.each(Object.entries(doors))('%s', (_, { schema, example, refused }) => {
  it('takes what a writer writes as it is', () => {
    expect(schema.parse(example)).toEqual(example);
  });

  it.each(Object.entries(refused))('refuses %s', (_rule, change) => {
    expect(schema.safeParse({ ...example, ...change }).success).toBe(false);
  });
});

describe('the pod contract', () => {
  it('has results that fit a termination message, at the longest names', () => {
    const path = `${'t'.repeat(api.nameLimit)}/${'s'.repeat(12)}/checkpoint`;
    const generate = {
      path,
      digest,
      rows: 99_999,
      turns: 99_999,
      dropped: Object.fromEntries(
        Array.from({ length: 20 }, (_, i) => [`${'reason'.repeat(10)}${i}`, 99_999]),
      ),
    };
    const results: api.PodResult[] = [
      { fetch: { path: 'p'.repeat(1024), digest, model } },
      { generate },
      { train: { ...train, checkpoint: path, master: path } },
      { error: { code: 'CONFIG_INVALID', message: 'm'.repeat(2048) } },
    ];
    const sizes = results.map((result) => Buffer.byteLength(JSON.stringify(api.podResult.parse(result))));
    expect(sizes.filter((size) => size > api.terminationMessageLimit)).toEqual([]);
  });

  it('gives every role one command on PATH', () => {
    expect(api.role.options.map(api.roleCommand)).toEqual([
      ['longpo-fetch'],
      ['longpo-generate'],
      ['longpo-train'],
      ['longpo-verify'],
      ['longpo-serve'],
    ]);
  });

  it('gives every meaning of an exit code a number of its own, and fails at once only on what a retry cannot mend', () => {
    const codes = Object.values(api.exitCodes);
    expect(new Set(codes).size).toBe(codes.length);
    expect(api.fatalExitCodes).toEqual([2, 3, 4, 70]);
  });

  it('gives every env its own name, under our prefix unless Kubernetes sets it', () => {
    const names = Object.values(api.podEnv);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !name.startsWith('LONGPO_'))).toEqual(['JOB_COMPLETION_INDEX']);
  });
});
