import { describe, expect, it } from 'vitest';
import { sampleOf, spent } from './sample.ts';

const metrics = new Map([
  ['process_resident_memory_bytes', 5000],
  ['process_cpu_seconds_total', 1.5],
  ['longpo_reconciles_total{kind="LongPOTraining",result="success"}', 7],
  ['longpo_reconciles_total{kind="LongPOServing",result="success"}', 2],
  ['longpo_reconciles_total{kind="LongPOTraining",result="error"}', 1],
  ['longpo_reconcile_duration_seconds_count{kind="LongPOTraining"}', 10],
]);

describe('a sample', () => {
  it('sums the reconciles of all kinds and results', () => {
    expect(sampleOf(metrics)).toEqual({ rssBytes: 5000, cpuSeconds: 1.5, reconciles: 10 });
  });

  it('has no reconciles before the first, and no memory where none is told', () => {
    expect(sampleOf(new Map([['process_cpu_seconds_total', 0.5]]))).toEqual({
      ...{ rssBytes: Number.NaN, cpuSeconds: 0.5, reconciles: 0 },
    });
  });

  it('gives with an earlier one what was spent between', () => {
    const before = { rssBytes: 1, cpuSeconds: 1, reconciles: 4 };
    expect(spent(before, { rssBytes: 9, cpuSeconds: 1.25, reconciles: 10 })).toEqual({
      cpuMs: 250,
      reconciles: 6,
    });
  });
});
