/** What a LongPOServing that a training owns says about itself. Pure. */
import {
  type Condition,
  conditionOf,
  conditionTypes,
  isConditionTrue,
  type LongPOServing,
  reasons,
} from '@longpo/api';
import { isBeingDeleted } from '../../cluster.ts';
import type { TerminalFailure } from '../../policies/failure.ts';
import { servingType } from '../observe.ts';
import type { Removal } from '../plan.ts';

export function isReady(serving: LongPOServing | undefined): boolean {
  if (serving === undefined || isBeingDeleted(serving)) return false;
  return isConditionTrue(serving.status, conditionTypes.ready);
}

function unavailableCondition(serving: LongPOServing | undefined): Condition | undefined {
  const ready = conditionOf(serving?.status, conditionTypes.ready);
  return ready?.reason === reasons.unavailable ? ready : undefined;
}

/** Asked to try again since it was made: then it is made anew, for a mended model needs a new look. */
export function isRetriedServing(serving: LongPOServing | undefined, retried: string | undefined): boolean {
  const ready = unavailableCondition(serving);
  if (ready === undefined || retried === undefined) return false;
  return Date.parse(retried) >= Date.parse(ready.lastTransitionTime);
}

/** A serving that will never be ready as it is, as a failure of the training that waits for it. */
export function servingFailure(
  serving: LongPOServing | undefined,
  retried: string | undefined,
): TerminalFailure | undefined {
  const ready = unavailableCondition(serving);
  if (ready === undefined || isRetriedServing(serving, retried)) return undefined;
  return {
    reason: reasons.unavailable,
    message: `LongPOServing ${serving?.metadata.name}: ${ready.message}`,
  };
}

/** Nothing when it is not there or already on its way out. */
export function removalOf(serving: LongPOServing | undefined, namespace: string): Removal[] {
  if (serving === undefined || isBeingDeleted(serving)) return [];
  const { name, uid } = serving.metadata;
  return [
    { ...servingType, namespace, name, ...(typeof uid === 'string' ? { preconditions: { uid } } : {}) },
  ];
}
