/** Full jitter: a random time below a ceiling that doubles, so that clients which failed together do not return so. */
export interface Backoff {
  baseMs: number;
  maxMs: number;
}

/** `failures` counts from 1. */
export const jittered = ({ baseMs, maxMs }: Backoff, failures: number, random = Math.random): number =>
  random() * Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
