/** Which slots one decode run covers: a run takes neighbours, and an idle slot among them costs a row. */
import type { DecodeRow } from './scheduler/runner.ts';

/**
 * Idle slots that are covered rather than starting another run. Measured on a 135M model: a run of 4 bits costs as much
 * before its first row as four rows.
 */
const coveredIdle = 4;

export interface DecodeGroup {
  readonly firstSlot: number;
  /** One a slot; null is idle. */
  readonly rows: readonly (DecodeRow | null)[];
}

/** Rows of one group may be neighbours of the next; every row is in exactly one. */
export function decodeGroups(rows: readonly DecodeRow[]): DecodeGroup[] {
  const groups: { firstSlot: number; rows: (DecodeRow | null)[] }[] = [];
  for (const row of rows.toSorted((a, b) => a.slot - b.slot)) {
    const group = groups.at(-1);
    const gap = group ? row.slot - (group.firstSlot + group.rows.length) : 0;
    if (group && gap <= coveredIdle) group.rows.push(...new Array<null>(gap).fill(null), row);
    else groups.push({ firstSlot: row.slot, rows: [row] });
  }
  return groups;
}
