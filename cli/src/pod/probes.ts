/** The three probes of a container that runs: startup first, then readiness and liveness side by side. */
import type { Container, Probe } from '@longpo/api';
import { perform } from './probe-action.ts';
import type { ContainerProcess } from './runtime.ts';
import { paceOf, pause, type Timing } from './timing.ts';

export interface ProbeListener {
  onStarted(): void;
  onReady(ready: boolean): void;
  /** The container must be ended; its restart policy says what then. */
  onUnhealthy(probe: Probe, message: string): void;
}

type Verdict = 'success' | 'failure';

/** Tells each change of mind after the thresholds; ends with the signal or when told `end`. */
async function watch(
  probe: Probe,
  process: ContainerProcess,
  timing: Timing,
  signal: AbortSignal,
  tell: (verdict: Verdict) => 'end' | undefined,
): Promise<void> {
  const pace = paceOf(probe, timing);
  if (!(await pause(pace.initialDelayMs, signal))) return;
  let [good, bad] = [0, 0];
  do {
    const answered = await perform(probe, process, pace.timeoutMs);
    if (signal.aborted) return;
    [good, bad] = answered ? [good + 1, 0] : [0, bad + 1];
    if (good >= pace.successThreshold && tell('success') === 'end') return;
    if (bad >= pace.failureThreshold && tell('failure') === 'end') return;
  } while (await pause(pace.periodMs, signal));
}

/** Without a probe a container counts as started, and ready, at once. Returns what ends the watching. */
export function startProbes(
  container: Container,
  process: ContainerProcess,
  timing: Timing,
  listener: ProbeListener,
): () => void {
  const ended = new AbortController();
  const run = (probe: Probe, tell: (verdict: Verdict) => 'end' | undefined) =>
    void watch(probe, process, timing, ended.signal, tell);
  const unhealthy = (kind: string, probe: Probe) => {
    listener.onUnhealthy(probe, `Container ${container.name} failed ${kind} probe, will be restarted`);
    return 'end' as const;
  };
  const begin = () => {
    const { readinessProbe, livenessProbe } = container;
    listener.onStarted();
    if (readinessProbe)
      run(readinessProbe, (verdict) => {
        listener.onReady(verdict === 'success');
        return undefined;
      });
    else listener.onReady(true);
    if (livenessProbe)
      run(livenessProbe, (verdict) =>
        verdict === 'failure' ? unhealthy('liveness', livenessProbe) : undefined,
      );
  };
  const { startupProbe } = container;
  if (startupProbe === undefined) begin();
  else
    run(startupProbe, (verdict) => {
      if (verdict === 'failure') return unhealthy('startup', startupProbe);
      begin();
      return 'end';
    });
  return () => ended.abort();
}
