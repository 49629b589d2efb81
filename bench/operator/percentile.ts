/** Percentiles as measured values: the nearest rank, never a value between two. Pure. */

/** The smallest of `values` that at least `percent` of them (0 to 100) do not exceed; NaN of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** `3.0 ms`, `42 ms`, in seconds from ten on; `-` where nothing was measured. */
export function duration(ms: number): string {
  if (Number.isNaN(ms)) return '-';
  return ms < 10_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
