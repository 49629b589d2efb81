/** The paces of a pod's life, so that a laptop user need not wait for a kubelet's seconds. */
import type { Probe } from '@longpo/api';

export interface Timing {
  /** How long a container that ended waits for its restart, given how often it was restarted already. */
  backOffMs(restartCount: number): number;
  /** Between two asks of a probe. */
  probePeriodMs(declaredMs: number): number;
  /** Between two tries of what is not ready yet. */
  retryMs: number;
}

const longestBackOffMs = 300_000;

/** The first restart is at once, then 10 s doubling to five minutes. */
export const kubeletTiming: Timing = {
  backOffMs: (restartCount) =>
    restartCount === 0 ? 0 : Math.min(10_000 * 2 ** (restartCount - 1), longestBackOffMs),
  probePeriodMs: (declaredMs) => declaredMs,
  retryMs: 1000,
};

export interface ProbePace {
  initialDelayMs: number;
  periodMs: number;
  timeoutMs: number;
  successThreshold: number;
  failureThreshold: number;
}

/** A probe that asks more often than declared needs as many more failures: the time that it allows stays the same. */
export function paceOf(probe: Probe, timing: Timing): ProbePace {
  const declaredMs = (probe.periodSeconds ?? 10) * 1000;
  const periodMs = timing.probePeriodMs(declaredMs);
  return {
    initialDelayMs: timing.probePeriodMs((probe.initialDelaySeconds ?? 0) * 1000),
    periodMs,
    timeoutMs: (probe.timeoutSeconds ?? 1) * 1000,
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: Math.ceil(((probe.failureThreshold ?? 3) * declaredMs) / periodMs),
  };
}

/** Resolves to false when the wait was cut short. */
export function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (whole: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cut);
      resolve(whole);
    };
    const cut = () => done(false);
    const timer = setTimeout(() => done(true), ms);
    signal.addEventListener('abort', cut);
  });
}
