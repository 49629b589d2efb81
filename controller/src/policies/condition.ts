/** Conditions keep their transition time while their status stays. Pure. */
import { type Condition, conditionOf, conditionTypes } from '@longpo/api';

export interface ConditionWish {
  type: string;
  status: Condition['status'];
  reason: string;
  message: string;
}

/** What a condition says, whichever it is. */
export type Say = Omit<ConditionWish, 'type'>;

export const say = (status: Condition['status'], reason: string, message: string): Say => ({
  status,
  reason,
  message,
});

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

const endOf = (status: { conditions?: Condition[] }): string =>
  conditionOf(status, conditionTypes.succeeded)?.status ?? 'Unknown';

/** Succeeded turns True or False: people and time-to-live act on that, so it is not said on an old view. */
export const isNewEnd = (before: object | undefined, after: object): boolean =>
  endOf(after) !== 'Unknown' && endOf(after) !== endOf(before ?? {});
