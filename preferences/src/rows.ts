/** Items of one piece as a multi-turn row, in document order, that fits the context in both branches. Pure. */
import type { PreferenceRow } from '@longpo/api';
import { type Item, itemId } from './items.ts';
import type { TokenCounter } from './spans.ts';
import type { Piece } from './tasks.ts';

/** Role markers and separators of one turn, at most. */
const templateTokensPerTurn = 32;

export interface Rows {
  rows: PreferenceRow[];
  /** Turns that no longer fitted. */
  cutTurns: number;
}

function fits(row: PreferenceRow, contextLength: number, counter: TokenCounter): boolean {
  const branch = (answer: 'chosen' | 'rejected') =>
    row.turns.reduce(
      (sum, turn) => sum + counter.count(turn.question) + counter.count(turn[answer]) + templateTokensPerTurn,
      counter.count(row.document),
    );
  return Math.max(branch('chosen'), branch('rejected')) <= contextLength;
}

export function buildRows(
  pieces: Piece[],
  done: Map<string, Item>,
  contextLength: number,
  counter: TokenCounter,
): Rows {
  let cutTurns = 0;
  const rows = pieces.flatMap((piece): PreferenceRow[] => {
    const turns = piece.chunks.flatMap((chunk, n) => {
      const { question, chosen, rejected } = done.get(itemId(piece, n)) ?? {};
      return question && chosen && rejected ? [{ chunk, question, chosen, rejected }] : [];
    });
    const row: PreferenceRow = { id: piece.id, source: piece.source, document: piece.text, turns };
    while (row.turns.length > 0 && !fits(row, contextLength, counter)) {
      row.turns.pop();
      cutTurns++;
    }
    return row.turns.length > 0 ? [row] : [];
  });
  return { rows: rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)), cutTurns };
}
