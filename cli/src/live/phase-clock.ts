/** When each phase began and ended, as the view saw it: the status tells states, not times. */
import type { PhaseLine } from './phases.ts';

export interface TimedLine extends PhaseLine {
  /** Undefined where the phase was over before the view began: an earlier run did it. */
  seconds: number | undefined;
  /** Since the part that is now in progress began: reference, train and export are parts of one phase. */
  partSeconds: number;
}

interface Span {
  started: number | undefined;
  ended: number | undefined;
  part: string | undefined;
  partStarted: number;
}

export function createPhaseClock(now: () => Date): (line: PhaseLine) => TimedLine {
  const spans = new Map<string, Span>();

  function spanOf({ label, state, progress }: PhaseLine, at: number): Span {
    const part = progress?.phase;
    const known = spans.get(label);
    const isRestarted = state === 'running' && known?.ended !== undefined;
    if (known === undefined || isRestarted) {
      const isOver = state !== 'running';
      return { started: isOver ? undefined : at, ended: isOver ? at : undefined, part, partStarted: at };
    }
    if (state !== 'running') return { ...known, ended: known.ended ?? at };
    return part === known.part ? known : { ...known, part, partStarted: at };
  }

  return (line) => {
    const at = now().getTime();
    const span = spanOf(line, at);
    spans.set(line.label, span);
    const end = span.ended ?? at;
    return {
      ...line,
      seconds: span.started === undefined ? undefined : (end - span.started) / 1000,
      partSeconds: (end - span.partStarted) / 1000,
    };
  };
}
