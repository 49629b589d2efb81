import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LongPOTrainingSpec } from '@longpo/api';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { admit } from './admit.ts';

const examples = join(import.meta.dirname, '..', '..', '..', 'examples');
const manifests = globSync('**/*.yaml', { cwd: examples })
  .map((file) => ({ file, object: parse(readFileSync(join(examples, file), 'utf8')) }))
  .filter(({ object }) => object?.kind === 'LongPOTraining');

function specOf(file: string): LongPOTrainingSpec {
  const result = admit(manifests.find((one) => one.file === file)?.object);
  if (!('object' in result) || result.object.kind !== 'LongPOTraining') throw new Error(`${file} is refused`);
  return result.object.spec;
}

describe('the examples', () => {
  it.each(manifests)('would be taken by the API server: $file', ({ object }) => {
    // Paths of a laptop's manifest are relative to it, which `longpo run` resolves.
    const text = JSON.stringify(object).replaceAll('"./', '"/');
    expect(admit(JSON.parse(text))).toHaveProperty('object');
  });

  it("differ in the paper's own values alone: recipes/paper.yaml and the released command", () => {
    const [paper, released] = [specOf('recipes/paper.yaml'), specOf('mistral-512k.yaml')];
    expect(paper.train).toEqual({
      ...released.train,
      beta: 0.1,
      optim: 'adamw',
      weightDecay: 0,
      multiTurnLoss: 'perTurn',
    });
    const greedy = { ...released.generate.answer, temperature: 0 };
    expect(paper.generate).toEqual({ ...released.generate, answer: greedy });
    expect(paper.stages[0]).toEqual(released.stages[0]);
  });
});
