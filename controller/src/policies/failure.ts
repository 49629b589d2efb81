/** Why a training failed, as a condition reason. Pure. */
import { exitCodes, type Role, reasons } from '@longpo/api';
import type { JobView } from '../reconcile/job-view.ts';

export interface TerminalFailure {
  reason: string;
  message: string;
}

const byExitCode = new Map<number, string>([
  [exitCodes.config, reasons.configInvalid],
  [exitCodes.doesNotFit, reasons.doesNotFit],
  [exitCodes.mismatch, reasons.dataInvalid],
  [exitCodes.nonFiniteLoss, reasons.nonFiniteLoss],
]);

function reasonOf(role: Role, job: JobView): string {
  const exitCode = job.lastFailure?.exitCode;
  if (role === 'fetch' && (exitCode === exitCodes.config || exitCode === exitCodes.mismatch))
    return reasons.modelInvalid;
  if (role === 'verify' && exitCode === exitCodes.mismatch) return reasons.checkpointInvalid;
  return byExitCode.get(exitCode ?? -1) ?? job.ended ?? reasons.restartsExhausted;
}

/** What the controller's own endings say, before the last failure. */
const endings: Record<string, string> = {
  [reasons.restartsExhausted]: 'failed or stood still more often than spec.restarts allows; ',
  [reasons.deadlineExceeded]: 'ran longer than spec.activeDeadlineSeconds allows; ',
};

/** A Job has failed for good: name the pod's own error, else what the pod left behind. */
export function terminalFailure(role: Role, job: JobView): TerminalFailure {
  const failure = job.lastFailure;
  const where = job.stage === '' ? role : `stage ${job.stage}, ${role}`;
  const ending = endings[job.ended ?? ''] ?? '';
  const reason = reasonOf(role, job);
  if (failure === undefined) return { reason, message: `${where}: ${ending}Job ${job.name} failed` };
  return {
    reason,
    message: `${where}: ${ending}[${failure.code}] ${failure.message} (pod ${failure.pod}, exit code ${failure.exitCode})`,
  };
}
