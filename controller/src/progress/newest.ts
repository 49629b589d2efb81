/** PURE: what a report makes of the progress that the status holds. */
import type { LongPOTrainingStatus, ProgressReport, StageProgress } from '@longpo/api';

export interface Received {
  report: ProgressReport;
  /** When this process first saw these numbers, by its own clock. */
  since: string;
}

const hasSameNumbers = (a: ProgressReport, b: ProgressReport): boolean =>
  isOfSameJob(a, b) && a.phase === b.phase && a.completed === b.completed;

/** Each role of a stage counts its attempts by itself. */
const isOfSameJob = (a: ProgressReport, b: ProgressReport): boolean =>
  a.role === b.role && a.attempt === b.attempt;

/** Pods of an attempt that was given up may still speak, and a repeated request may come late. */
export function isOlder(report: ProgressReport, held: ProgressReport): boolean {
  if (report.role === held.role && report.attempt !== held.attempt) return report.attempt < held.attempt;
  return Date.parse(report.reportedAt) < Date.parse(held.reportedAt);
}

/** The same report again counts its numbers from the first time. */
export function receive(held: Received | undefined, report: ProgressReport, now: Date): Received {
  const since = held && hasSameNumbers(held.report, report) ? held.since : now.toISOString();
  // A pod whose clock is ahead would shut out every later report: nothing was reported after it came.
  const isAhead = Date.parse(report.reportedAt) > now.getTime();
  return { report: isAhead ? { ...report, reportedAt: now.toISOString() } : report, since };
}

/** `held` itself when the report is not newer. */
function newestOf(
  held: StageProgress | undefined,
  received: Received | undefined,
): StageProgress | undefined {
  if (received === undefined) return held;
  const { report, since } = received;
  if (held && (isOlder(report, held) || isRepeated(report, held))) return held;
  const { completed, total } = report;
  return {
    ...report,
    ...(total > 0 && { percent: Math.min(100, Math.floor((100 * completed) / total)) }),
    advancedAt: (held && hasSameNumbers(held, report) && held.advancedAt) || since,
  };
}

/** What another replica has written already. */
const isRepeated = (report: ProgressReport, held: ProgressReport): boolean =>
  isOfSameJob(report, held) && report.reportedAt === held.reportedAt;

export interface ProgressFields {
  fetchProgress?: StageProgress;
  stages: { name: string; progress: StageProgress }[];
}

/**
 * All progress fields of a status, with what was received (by stage, '' for fetch) where that is newer; undefined when
 * nothing is. All of them, because an apply takes away what its manager leaves out.
 */
export function progressFields(
  status: LongPOTrainingStatus | undefined,
  received: ReadonlyMap<string, Received>,
): ProgressFields | undefined {
  const fetchProgress = newestOf(status?.fetchProgress, received.get(''));
  let isNew = fetchProgress !== status?.fetchProgress;
  const stages = (status?.stages ?? []).flatMap(({ name, progress: held }) => {
    const progress = newestOf(held, received.get(name));
    if (progress !== held) isNew = true;
    return progress === undefined ? [] : [{ name, progress }];
  });
  return isNew ? { ...(fetchProgress && { fetchProgress }), stages } : undefined;
}
