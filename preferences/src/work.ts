/** Makes the items that are missing, many at once; what is made is on the disk, whatever ends the run. */
import type { GenerateConfig } from '@longpo/api';
import pLimit from 'p-limit';
import type { Completions } from './completions.ts';
import { Drops } from './drops.ts';
import type { ItemLog } from './item-log.ts';
import { itemId, makeItem } from './items.ts';
import type { Piece } from './pieces.ts';

export interface Progress {
  /** Items that are done, those of earlier runs included. */
  completed: number;
  total: number;
  /** Made by this run, with what they cost. */
  made: number;
  tokens: number;
  dropped: Record<string, number>;
}

export interface Work {
  config: GenerateConfig;
  completions: Completions;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

export async function makeItems(
  pieces: readonly Piece[],
  log: ItemLog,
  planDrops: Drops,
  { config, completions, signal, onProgress }: Work,
): Promise<void> {
  const wanted = pieces.flatMap((piece) => piece.chunks.map((_, n) => ({ piece, n })));
  const missing = wanted.filter(({ piece, n }) => !log.done.has(itemId(piece, n)));
  const drops = new Drops([...log.done.values()].flatMap(({ dropped }) => dropped ?? []));
  let made = 0;
  let tokens = 0;
  const report = () =>
    onProgress({
      completed: wanted.length - missing.length + made,
      total: wanted.length,
      made,
      tokens,
      dropped: { ...planDrops.counts(), ...drops.counts() },
    });
  report();
  if (missing.length === 0) return;
  await completions.ready(signal);

  // The first failure ends the run and aborts what is in flight; all of it has ended before the log is closed.
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const limit = pLimit(config.concurrency);
  const make = async (piece: Piece, n: number) => {
    either.throwIfAborted();
    const item = await makeItem(piece, n, config, completions, either);
    await log.add(item);
    made++;
    tokens += item.tokens;
    if (item.dropped) drops.add(item.dropped);
    report();
  };
  await Promise.allSettled(
    missing.map(({ piece, n }) =>
      limit(() => make(piece, n)).catch((error: unknown) => failure.abort(error)),
    ),
  );
  signal.throwIfAborted();
  failure.signal.throwIfAborted();
}
