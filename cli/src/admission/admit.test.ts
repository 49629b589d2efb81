import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { admit, formatProblems } from './admit.ts';

const fixtures = join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures');
const files = (folder: string) =>
  readdirSync(join(fixtures, folder)).filter((name) => name.endsWith('.yaml'));
const read = (folder: string, file: string) => readFileSync(join(fixtures, folder, file), 'utf8');

describe('admit', () => {
  it.each(files('valid'))('takes %s', (file) => {
    expect(admit(parse(read('valid', file)))).toHaveProperty('object');
  });

  // The first line of an invalid fixture is a comment with what a user must be told.
  it.each(files('invalid'))('refuses %s with its reason', (file) => {
    const text = read('invalid', file);
    const expected = text.split('\n')[0]?.replace(/^# /, '') ?? '';
    const result = admit(parse(text));
    expect('problems' in result ? formatProblems('f', result.problems) : 'admitted').toBe(`f: ${expected}`);
  });

  it('fills the defaults of the original training command', () => {
    const result = admit(parse(read('valid', 'minimal.yaml')));
    const training =
      'object' in result && result.object.kind === 'LongPOTraining' ? result.object : undefined;
    expect(training?.spec.train).toEqual({
      beta: 0.01,
      lambda: 0.01,
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
      saveSteps: 500,
      loggingSteps: 1,
      reportTo: 'none',
      exportDtype: 'bf16',
    });
    expect(training?.spec.seed).toBe(42);
    expect(training?.spec.generate.answer).toEqual({ temperature: 1, topP: 1, maxTokens: 1024 });
    expect(training?.spec.stages[0]?.parallelism).toEqual({ sequence: 1, data: 1 });
  });
});
