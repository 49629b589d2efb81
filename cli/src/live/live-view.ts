/** The live lines of `longpo run`: redrawn on a terminal; elsewhere plain lines, few of them. */
import type { LongPOTraining, ProgressReport } from '@longpo/api';
import { drawBar, type Output } from '../setup/bar.ts';
import { type PhaseLine, phaseLines } from './phases.ts';
import { duration } from './units.ts';

export interface LiveView {
  update(training: LongPOTraining): void;
  end(): void;
}

const labelWidth = 14;
const plainShare = 0.25;

interface Timed {
  started: number;
  ended?: number;
  /** Share at the last plain line. */
  printed: number;
  printedState?: PhaseLine['state'];
}

const shareOf = (progress: ProgressReport | undefined): number =>
  progress && progress.total > 0 ? progress.completed / progress.total : 0;

function etaOf(progress: ProgressReport, elapsedSeconds: number): string {
  const share = shareOf(progress);
  const seconds =
    progress.etaSeconds ?? (share > 0 && share < 1 ? (elapsedSeconds * (1 - share)) / share : undefined);
  return seconds === undefined ? '' : `ETA ${duration(seconds)}`;
}

function detail(progress: ProgressReport): string {
  const { metrics = {}, phase, completed, total, unit, tokensPerSecond } = progress;
  const dropped = Object.entries(metrics).filter(([name, count]) => name.startsWith('dropped/') && count > 0);
  return [
    phase === 'train' || phase === 'generate' || phase === 'verify' ? '' : phase,
    unit === 'bytes'
      ? `${(completed / 1e6).toFixed(0)}/${(total / 1e6).toFixed(0)} MB`
      : `${completed}/${total} ${unit}`,
    tokensPerSecond === undefined ? '' : `${tokensPerSecond.toFixed(0)} tok/s`,
    metrics.loss === undefined ? '' : `loss ${metrics.loss.toFixed(3)}`,
    metrics['rewards/margins'] === undefined ? '' : `margin ${metrics['rewards/margins'].toFixed(4)}`,
    dropped.length === 0 ? '' : `dropped ${dropped.reduce((sum, [, count]) => sum + count, 0)}`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}

export function createLiveView(out: Output, now: () => Date): LiveView {
  const times = new Map<string, Timed>();
  let drawn = 0;
  let last = '';

  function timed(line: PhaseLine): Timed {
    const time = times.get(line.label) ?? { started: now().getTime(), printed: 0 };
    times.set(line.label, time);
    if (line.state !== 'running') time.ended ??= now().getTime();
    return time;
  }

  function text(line: PhaseLine): string {
    const time = timed(line);
    const seconds = ((time.ended ?? now().getTime()) - time.started) / 1000;
    const label = line.label.padEnd(labelWidth);
    if (line.state === 'done') return `${label} ${drawBar(1)}  ${duration(seconds)}  ${line.note}`.trimEnd();
    if (line.state === 'failed') return `${label} failed after ${duration(seconds)}  ${line.note}`.trimEnd();
    const { progress } = line;
    if (!progress) return `${label} ${drawBar(0)}  starting`;
    return `${label} ${drawBar(shareOf(progress))}  ${[detail(progress), etaOf(progress, seconds)].filter((part) => part !== '').join('  ')}`;
  }

  function redraw(lines: PhaseLine[]): void {
    const width = (out.columns ?? 100) - 1;
    const body = lines.map((line) => `\x1b[2K${text(line).slice(0, width)}\n`).join('');
    if (body === last) return;
    last = body;
    out.write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}${body}`);
    drawn = lines.length;
  }

  /** A phase's start, each quarter of it, its end. */
  function printChanges(lines: PhaseLine[]): void {
    for (const line of lines) {
      const time = timed(line);
      const share = shareOf(line.progress);
      const moved = line.state === 'running' && share >= time.printed + plainShare && share < 1;
      if (time.printedState === line.state && !moved) continue;
      out.write(`${text(line)}\n`);
      time.printedState = line.state;
      if (moved) time.printed = Math.floor(share / plainShare) * plainShare;
    }
  }

  return {
    update(training) {
      const lines = phaseLines(training);
      if (out.isTTY) redraw(lines);
      else printChanges(lines);
    },
    end() {
      drawn = 0;
    },
  };
}
