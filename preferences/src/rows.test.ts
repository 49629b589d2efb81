import { describe, expect, it } from 'vitest';
import { Drops } from './drops.ts';
import { paragraph, wordCounter } from './fixture/index.ts';
import { type Item, itemId } from './items.ts';
import type { Piece } from './pieces.ts';
import { instruction } from './prompts.ts';
import { buildRows } from './rows.ts';

const piece = (id: string): Piece => ({
  id,
  source: 'a.txt',
  text: paragraph('d', 60),
  tokens: 60,
  chunks: [paragraph('a', 20), paragraph('b', 20), paragraph('c', 20)],
});

const item = (id: string, question: string, values: Partial<Item> = {}): Item => ({
  id,
  question,
  chosen: paragraph('yes', 8),
  rejected: paragraph('no', 5),
  tokens: 1,
  truncated: 0,
  ...values,
});

function build(pieces: Piece[], items: Item[], contextLength = 10_000) {
  const drops = new Drops();
  const done = new Map(items.map((entry) => [entry.id, entry]));
  const rows = buildRows(pieces, done, { seed: 1, contextLength }, wordCounter, drops);
  return { rows, dropped: drops.counts() };
}

const [first, second, third] = ['Who came?', 'Why did it sink?', 'Where is the shore?'];
const three = [first, second, third].map((question, n) => item(itemId(piece('a'), n), question ?? ''));

describe('rows', () => {
  it('have the surviving turns of a document in its order', () => {
    const { rows, dropped } = build(
      [piece('a')],
      [...three.slice(1), { id: 'a/0', dropped: 'refusal' as const, tokens: 1, truncated: 0 }].reverse(),
    );
    const turn = (n: number) => ({
      chunk: piece('a').chunks[n],
      question: instruction(three[n]?.question ?? '', 1, `a/${n}`),
      chosen: paragraph('yes', 8),
      rejected: paragraph('no', 5),
    });
    expect({ rows, dropped }).toEqual({
      rows: [{ id: 'a', source: 'a.txt', document: piece('a').text, turns: [turn(1), turn(2)] }],
      dropped: {},
    });
  });

  it('are sorted by id, and none where no turn is left', () => {
    const pieces = [piece('b'), piece('none'), piece('a')];
    const { rows } = build(pieces, [item('b/0', 'Who?'), item('a/0', 'Who?')]);
    expect(rows.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('lose their last turns, and are counted, when the longer branch exceeds the context by one token', () => {
    const spent = (n: number) =>
      wordCounter.count(instruction(three[n]?.question ?? '', 1, `a/${n}`)) + 8 + 16;
    const length = (turns: number) =>
      64 + 60 + [0, 1, 2].slice(0, turns).reduce((sum, n) => sum + spent(n), 0);
    const kept = (contextLength: number) => {
      const { rows, dropped } = build([piece('a')], three, contextLength);
      return { turns: rows[0]?.turns.length ?? 0, dropped };
    };
    expect(kept(length(3))).toEqual({ turns: 3, dropped: {} });
    expect(kept(length(3) - 1)).toEqual({ turns: 2, dropped: { row_too_long: 1 } });
    expect(kept(length(2) - 1)).toEqual({ turns: 1, dropped: { row_too_long: 2 } });
    expect(kept(length(1) - 1)).toEqual({ turns: 0, dropped: { row_too_long: 3 } });
  });

  it('measure the rejected branch too', () => {
    const long = three.map((entry) => ({ ...entry, rejected: paragraph('no', 500) }));
    expect(build([piece('a')], long, 600).dropped).toEqual({ row_too_long: 3 });
  });

  it('ask nothing twice', () => {
    const again = item('a/2', 'who came');
    const { rows, dropped } = build([piece('a')], [...three.slice(0, 2), again]);
    expect({ turns: rows[0]?.turns.length, dropped }).toEqual({
      turns: 2,
      dropped: { duplicate_question: 1 },
    });
  });
});
