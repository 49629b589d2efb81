/** One phase as one line of text. Pure. */
import type { ProgressReport } from '@longpo/api';
import { drawBar } from '../setup/bar.ts';
import type { TimedLine } from './phase-clock.ts';
import { duration } from './units.ts';

export const shareOf = (progress: ProgressReport | undefined): number =>
  progress && progress.total > 0 ? progress.completed / progress.total : 0;

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

function countOf({ completed, total, unit }: ProgressReport): string {
  if (total === 0) return '';
  return unit === 'bytes'
    ? `${megabytes(completed)}/${megabytes(total)} MB`
    : `${completed}/${total} ${unit}`;
}

function etaOf(progress: ProgressReport, seconds: number): string {
  const share = shareOf(progress);
  if (share >= 1) return '';
  // A part that is seen for the first time may have run for long before.
  const isMeasured = share > 0 && seconds > 0;
  const eta = progress.etaSeconds ?? (isMeasured ? (seconds * (1 - share)) / share : undefined);
  return eta === undefined ? '' : `ETA ${duration(eta)}`;
}

function metricsOf({ metrics = {}, tokensPerSecond }: ProgressReport): string[] {
  const { loss, 'rewards/margins': margin } = metrics;
  const dropped = Object.entries(metrics)
    .filter(([name]) => name.startsWith('dropped/'))
    .reduce((sum, [, count]) => sum + count, 0);
  return [
    tokensPerSecond === undefined ? '' : `${tokensPerSecond.toFixed(0)} tok/s`,
    loss === undefined ? '' : `loss ${loss.toFixed(3)}`,
    margin === undefined ? '' : `margin ${margin.toFixed(4)}`,
    dropped === 0 ? '' : `dropped ${dropped}`,
  ];
}

function runningText({ progress, partSeconds }: TimedLine): string[] {
  if (progress === undefined) return ['starting'];
  const part = progress.phase === progress.role ? '' : progress.phase;
  return [part, countOf(progress), etaOf(progress, partSeconds), ...metricsOf(progress)];
}

/** `1k train   [####----]  33 %  1/3 steps  ETA 28s  48 tok/s  loss 3.612  margin -0.3319` */
export function phaseText(line: TimedLine, labelWidth: number): string {
  const { label, state, note, seconds, progress } = line;
  const took = seconds === undefined ? 'by an earlier run' : duration(seconds);
  const parts = {
    running: () => [drawBar(shareOf(progress)), ...runningText(line)],
    done: () => [drawBar(1), took, note],
    failed: () => [seconds === undefined ? 'failed' : `failed after ${took}`, note],
  }[state]();
  return `${label.padEnd(labelWidth)}  ${parts.filter((part) => part !== '').join('  ')}`;
}
