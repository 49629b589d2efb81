/** What an operator says of itself at /metrics at one time. Pure. */

export interface Sample {
  rssBytes: number;
  /** Of the process since its start. */
  cpuSeconds: number;
  /** Of all kinds and results since its start. */
  reconciles: number;
}

/** `metrics`: value by `name{labels}`, as Prometheus' text has it. */
export function sampleOf(metrics: ReadonlyMap<string, number>): Sample {
  const reconciles = [...metrics].filter(([key]) => key.startsWith('longpo_reconciles_total{'));
  return {
    rssBytes: metrics.get('process_resident_memory_bytes') ?? Number.NaN,
    cpuSeconds: metrics.get('process_cpu_seconds_total') ?? Number.NaN,
    reconciles: reconciles.reduce((sum, [, value]) => sum + value, 0),
  };
}

export interface Spent {
  cpuMs: number;
  reconciles: number;
}

export const spent = (before: Sample, after: Sample): Spent => ({
  cpuMs: (after.cpuSeconds - before.cpuSeconds) * 1000,
  reconciles: after.reconciles - before.reconciles,
});
