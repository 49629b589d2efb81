import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LongPOTraining, TrainingStage } from '@longpo/api';
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

  it('fills the defaults', () => {
    const result = admit(parse(read('valid', 'minimal.yaml')));
    const training =
      'object' in result && result.object.kind === 'LongPOTraining' ? result.object : undefined;
    expect(training?.spec.stages[0]?.parallelism).toEqual({ sequence: 1, data: 1 });
  });

  describe('of a change', () => {
    const stored = (stageState: string) => {
      const result = admit({
        ...parse(read('valid', 'two-stages.yaml')),
        status: {
          stages: [
            { name: 'one', state: stageState, attempt: 1, restarts: 0 },
            { name: 'two', state: 'Pending', attempt: 1, restarts: 0 },
          ],
        },
      });
      if (!('object' in result) || result.object.kind !== 'LongPOTraining') throw new Error('not admitted');
      return result.object;
    };
    const change = (old: LongPOTraining, spec: Partial<LongPOTraining['spec']>) => {
      const result = admit({ ...old, spec: { ...old.spec, ...spec } }, old);
      return 'problems' in result ? result.problems.map(({ field }) => field) : 'admitted';
    };

    it('refuses another model, documents, storage or seed', () => {
      const old = stored('Pending');
      expect(change(old, { model: { uri: '/other' } })).toEqual(['spec.model']);
      expect(change(old, { documents: { uri: '/other' } })).toEqual(['spec.documents']);
      expect(change(old, { storage: { ...old.spec.storage, claimName: 'other' } })).toEqual(['spec.storage']);
      expect(change(old, { seed: 7 })).toEqual(['spec.seed']);
    });

    it('refuses another length of a stage that has begun, and its removal; not of one that has not', () => {
      const old = stored('Training');
      const [first, second] = old.spec.stages as [TrainingStage, TrainingStage];
      expect(change(old, { stages: [{ ...first, contextLength: 131_000 }, second] })).toEqual([
        'spec.stages',
      ]);
      expect(change(old, { stages: [second] })).toEqual(['spec.stages']);
      expect(change(old, { stages: [{ ...first, ropeTheta: 1e6 }, second] })).toEqual(['spec.stages']);
      expect(change(old, { stages: [first, { ...second, contextLength: 300_000 }] })).toBe('admitted');
      expect(change(old, { stages: [first] })).toBe('admitted');
    });

    it('refuses a new stage before one that has begun; not after it', () => {
      const old = stored('Training');
      const [first, second] = old.spec.stages as [TrainingStage, TrainingStage];
      const between = { ...second, name: 'between', contextLength: first.contextLength + 8 };
      const before = { ...second, name: 'before', contextLength: first.contextLength - 8 };
      expect(change(old, { stages: [before, first, second] })).toEqual(['spec.stages']);
      expect(change(old, { stages: [first, between, second] })).toBe('admitted');
    });

    it('takes another parallelism of a stage that runs, and what later Jobs use', () => {
      const old = stored('Training');
      const [first, second] = old.spec.stages as [TrainingStage, TrainingStage];
      const wider = { ...first, parallelism: { ...first.parallelism, data: 2 } };
      expect(change(old, { stages: [wider, second] })).toBe('admitted');
      expect(change(old, { suspend: true, train: { ...old.spec.train, saveSteps: 10 } })).toBe('admitted');
    });
  });
});
