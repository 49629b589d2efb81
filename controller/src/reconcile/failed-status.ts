/** The status after a reconcile that came to an error: what would have been written, and the error. Pure. */
import { type Condition, conditionOf, conditionTypes, reasons } from '@longpo/api';
import { settleConditions } from '../policies/condition.ts';

interface Status {
  conditions?: Condition[];
}

/** The API's own reason (Forbidden, Invalid, NameTaken ...) where it gave one. */
export function reasonOf(error: unknown): string {
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined;
  return typeof reason === 'string' && reason !== '' ? reason : reasons.apiError;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const longestMessage = 2048;

/** `written` is the status as it is: an error that lasts keeps the time at which it came. */
export function failedStatus(
  status: Status,
  written: Status | undefined,
  error: unknown,
  generation: number,
  now: Date,
): Status {
  const message = messageOf(error).slice(0, longestMessage);
  const type = conditionTypes.resourcesReconciled;
  const wish = { type, status: 'False', reason: reasonOf(error), message } as const;
  const before = conditionOf(written ?? {}, type);
  const failed = settleConditions([wish], before && [before], generation, now);
  const wanted = status.conditions ?? [];
  const index = wanted.findIndex((condition) => condition.type === type);
  const conditions = index < 0 ? [...wanted, ...failed] : wanted.with(index, ...(failed as [Condition]));
  return { ...status, conditions };
}
