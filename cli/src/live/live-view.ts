/** LIVE: the lines of `longpo run`, redrawn on a terminal; elsewhere plain lines, few of them. */
import type { LongPOTraining, StageStatus } from '@longpo/api';
import type { Output } from '../setup/bar.ts';
import { createPhaseClock, type TimedLine } from './phase-clock.ts';
import { phaseText, shareOf } from './phase-text.ts';
import { failureText, labelWidth, phaseLines } from './phases.ts';
import { createTerminalLines } from './terminal-lines.ts';

export interface LiveView {
  /** Takes every change of the training. */
  update(training: LongPOTraining): void;
  /** A line between the phases. */
  note(text: string): void;
  end(): void;
}

interface Lines {
  show(lines: TimedLine[], width: number): void;
  note(text: string): void;
  end(): void;
}

export function createLiveView(out: Output, now: () => Date): LiveView {
  const timed = createPhaseClock(now);
  const lines = out.isTTY ? terminalView(out) : plainView(out);
  const failures = createFailureLog();
  return {
    update(training) {
      for (const text of failures(training.status?.stages ?? [])) lines.note(text);
      lines.show(phaseLines(training).map(timed), labelWidth(training));
    },
    note: lines.note,
    end: lines.end,
  };
}

/** Failures that the controller answers with a restart; the last one ends the stage and is its line. */
function createFailureLog(): (stages: StageStatus[]) => string[] {
  let told: Set<string> | undefined;
  return (stages) => {
    const latest = stages.flatMap(({ name, state, lastFailure }) =>
      lastFailure ? [{ name, state, lastFailure, key: JSON.stringify([name, lastFailure]) }] : [],
    );
    const news = latest.filter(({ key }) => told && !told.has(key));
    // What failed before the view began belongs to an earlier run.
    told = new Set([...(told ?? []), ...latest.map(({ key }) => key)]);
    return news
      .filter(({ state }) => state !== 'Failed')
      .map(({ name, lastFailure }) => {
        const { pod, exitCode } = lastFailure;
        return `${name}: ${pod} ended with exit code ${exitCode} and is started again: ${failureText(lastFailure)}`;
      });
  };
}

function terminalView(out: Output): Lines {
  const terminal = createTerminalLines(out);
  const settled = new Set<string>();
  let region: string[] = [];
  return {
    show(lines, width) {
      for (const { label, state } of lines) if (state === 'running') settled.delete(label);
      const live = lines.filter(({ label }) => !settled.has(label));
      const firstRunning = live.findIndex(({ state }) => state === 'running');
      const finished = firstRunning === -1 ? live : live.slice(0, firstRunning);
      for (const { label } of finished) settled.add(label);
      region = live.slice(finished.length).map((line) => phaseText(line, width));
      terminal.draw(
        finished.map((line) => phaseText(line, width)),
        region,
      );
    },
    note: (text) => terminal.draw([text], region),
    end() {
      terminal.release();
      region = [];
    },
  };
}

const quarters = 4;
/** The others take seconds. */
const longParts = new Set(['fetch', 'generate', 'reference', 'train']);

interface Printed {
  state: TimedLine['state'];
  part: string | undefined;
  quarter: number;
}

/** A phase's start, each quarter of it, its end. */
function plainView(out: Output): Lines {
  const printed = new Map<string, Printed>();

  function isNew(line: TimedLine): boolean {
    const before = printed.get(line.label);
    const part = line.progress?.phase;
    const share = shareOf(line.progress);
    const passed = before && before.part === part ? before.quarter : 0;
    const quarter = Math.floor(share * quarters);
    printed.set(line.label, { state: line.state, part, quarter: Math.max(passed, quarter) });
    if (before?.state !== line.state) return true;
    return line.state === 'running' && longParts.has(part ?? '') && quarter > passed && share < 1;
  }

  return {
    show(lines, width) {
      for (const line of lines) if (isNew(line)) out.write(`${phaseText(line, width)}\n`);
    },
    note: (text) => void out.write(`${text}\n`),
    end() {},
  };
}
