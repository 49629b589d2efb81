/** Items of one piece as a multi-turn row, in document order, that fits the context in both branches. Pure. */
import type { PreferenceRow, PreferenceTurn } from '@longpo/api';
import { templateTokens, turnTokens } from './budget.ts';
import type { Drops } from './drops.ts';
import { isNearDuplicate } from './filters.ts';
import { type Item, itemId } from './items.ts';
import type { Piece } from './pieces.ts';
import { instruction } from './prompts.ts';
import type { TokenCounter } from './spans.ts';

export interface RowSettings {
  seed: number;
  contextLength: number;
}

function turnsOf(
  piece: Piece,
  done: ReadonlyMap<string, Item>,
  seed: number,
  drops: Drops,
): PreferenceTurn[] {
  const asked: string[] = [];
  return piece.chunks.flatMap((chunk, n) => {
    const id = itemId(piece, n);
    const { question, chosen, rejected } = done.get(id) ?? {};
    if (!question || !chosen || !rejected) return [];
    if (asked.some((earlier) => isNearDuplicate(earlier, question))) {
      drops.add('duplicate_question');
      return [];
    }
    asked.push(question);
    return [{ chunk, question: instruction(question, seed, id), chosen, rejected }];
  });
}

/** How many of the turns fit, behind the document, whichever answer is the longer one. */
function fittingTurns(
  documentTokens: number,
  turns: PreferenceTurn[],
  contextLength: number,
  counter: TokenCounter,
): number {
  const used = { chosen: templateTokens + documentTokens, rejected: 0 };
  used.rejected = used.chosen;
  for (const [n, { question, chosen, rejected }] of turns.entries()) {
    const asking = turnTokens + counter.count(question);
    used.chosen += asking + counter.count(chosen);
    used.rejected += asking + counter.count(rejected);
    if (Math.max(used.chosen, used.rejected) > contextLength) return n;
  }
  return turns.length;
}

export function buildRow(
  piece: Piece,
  done: ReadonlyMap<string, Item>,
  { seed, contextLength }: RowSettings,
  counter: TokenCounter,
  drops: Drops,
): PreferenceRow | undefined {
  const turns = turnsOf(piece, done, seed, drops);
  const fitting = fittingTurns(piece.tokens, turns, contextLength, counter);
  for (const _ of turns.slice(fitting)) drops.add('row_too_long');
  if (fitting === 0) return undefined;
  return { id: piece.id, source: piece.source, document: piece.text, turns: turns.slice(0, fitting) };
}

/** Sorted by id, so that the order in which answers came shows nowhere. */
export function buildRows(
  pieces: readonly Piece[],
  done: ReadonlyMap<string, Item>,
  settings: RowSettings,
  counter: TokenCounter,
  drops: Drops,
): PreferenceRow[] {
  return pieces
    .flatMap((piece) => buildRow(piece, done, settings, counter, drops) ?? [])
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
