/** Name prefix and histogram buckets: vLLM's, longer where a long context takes longer. */

export const prefix = 'longpo_';

export const secondsToFirstToken = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560, 7200,
];
export const secondsPerToken = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
export const secondsOfRequest = [
  0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
export const secondsOfStep = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const tokenCounts = [1, 2, 5].flatMap((step) => [1, 10, 100, 1e3, 1e4, 1e5].map((base) => step * base));
export const tokenBuckets = [...tokenCounts, 1e6].toSorted((a, b) => a - b);
