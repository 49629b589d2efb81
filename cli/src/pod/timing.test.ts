import { expect, it } from 'vitest';
import { kubeletTiming, paceOf, pause } from './timing.ts';

it('restarts at once, then after 10 s, then doubles to five minutes', () => {
  expect([0, 1, 2, 3, 5, 6, 50].map(kubeletTiming.backOffMs)).toEqual([
    0, 10_000, 20_000, 40_000, 160_000, 300_000, 300_000,
  ]);
});

it('has the defaults of a kubelet', () => {
  expect(paceOf({}, kubeletTiming)).toEqual({
    initialDelayMs: 0,
    periodMs: 10_000,
    timeoutMs: 1000,
    successThreshold: 1,
    failureThreshold: 3,
  });
});

it('leaves a probe that asks more often as much time to fail as was declared', () => {
  const hasty = { ...kubeletTiming, probePeriodMs: (ms: number) => Math.min(ms, 250) };
  expect(paceOf({ periodSeconds: 2, failureThreshold: 300 }, hasty)).toMatchObject({
    periodMs: 250,
    failureThreshold: 2400,
  });
});

it('cuts a pause short', async () => {
  const controller = new AbortController();
  const paused = pause(600_000, controller.signal);
  controller.abort();
  expect([
    await paused,
    await pause(600_000, controller.signal),
    await pause(1, new AbortController().signal),
  ]).toEqual([false, false, true]);
});
