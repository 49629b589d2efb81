/** Conditions keep their transition time while their status stays. Pure. */
import type { Condition } from '@longpo/api';

export interface ConditionWish {
  type: string;
  status: Condition['status'];
  reason: string;
  message: string;
}

export function settleConditions(
  wishes: ConditionWish[],
  current: Condition[] | undefined,
  observedGeneration: number,
  now: Date,
): Condition[] {
  return wishes.map((wish) => {
    const before = current?.find((condition) => condition.type === wish.type);
    const lastTransitionTime = before?.status === wish.status ? before.lastTransitionTime : now.toISOString();
    return { ...wish, observedGeneration, lastTransitionTime };
  });
}
