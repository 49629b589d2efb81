/** Why a training failed, as a condition reason. Pure. */
import { exitCodes, type Reason, type Role, reasons } from '@longpo/api';
import type { JobView } from '../reconcile/job-view.ts';

export interface TerminalFailure {
  reason: Reason;
  message: string;
}

const byExitCode = new Map<number, Reason>([
  [exitCodes.config, reasons.configInvalid],
  [exitCodes.doesNotFit, reasons.doesNotFit],
  [exitCodes.mismatch, reasons.dataInvalid],
  [exitCodes.nonFiniteLoss, reasons.nonFiniteLoss],
]);

function reasonOf(role: Role, exitCode: number): Reason {
  if (role === 'fetch' && (exitCode === exitCodes.config || exitCode === exitCodes.mismatch))
    return reasons.modelInvalid;
  if (role === 'verify' && exitCode === exitCodes.mismatch) return reasons.checkpointInvalid;
  return byExitCode.get(exitCode) ?? reasons.restartsExhausted;
}

/** A Job has failed for good: name the pod's own error, else what the pod left behind. */
export function terminalFailure(role: Role, job: JobView): TerminalFailure {
  const failure = job.lastFailure;
  const where = job.stage === '' ? role : `stage ${job.stage}, ${role}`;
  if (failure === undefined)
    return { reason: reasons.restartsExhausted, message: `${where}: Job ${job.name} failed` };
  return {
    reason: reasonOf(role, failure.exitCode),
    message: `${where}: [${failure.code}] ${failure.message} (pod ${failure.pod}, exit code ${failure.exitCode})`,
  };
}
