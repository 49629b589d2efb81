/** documents -> pieces -> chunks -> questions -> chosen and rejected answers -> filters -> rows, resumable. */
import { join } from 'node:path';
import { exitCodes, type GenerateConfig, type GenerateResult } from '@longpo/api';
import pLimit from 'p-limit';
import type { Completions } from './completions.ts';
import { readDocuments } from './documents.ts';
import { GenerateError } from './errors.ts';
import { ItemLog } from './item-log.ts';
import { type Item, itemId, makeItem } from './items.ts';
import { publishedResult, publishReport, publishRows, rowsFile } from './publish.ts';
import { buildRows } from './rows.ts';
import { sha256 } from './seed.ts';
import type { TokenCounter } from './spans.ts';
import { type Piece, planTasks } from './tasks.ts';

export interface Progress {
  completed: number;
  total: number;
  tokens: number;
  dropped: Record<string, number>;
}

export interface GenerateOptions {
  config: GenerateConfig;
  counter: TokenCounter;
  ask: Completions;
  /** Waits until the server answers. */
  ready(): Promise<void>;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/** What the items depend on; how many requests run at once is not among it. */
function settingsDigest(
  { concurrency: _, attempt: _attempt, ...settings }: GenerateConfig,
  pieces: Piece[],
): string {
  return sha256(JSON.stringify([settings, pieces]));
}

export async function generate(options: GenerateOptions): Promise<GenerateResult> {
  const { config, counter } = options;
  const { directory } = config;
  const started = Date.now();
  const documents = await readDocuments(config.documents);
  const { pieces, dropped } = planTasks(documents, config, counter);
  const settings = settingsDigest(config, pieces);
  const published = await publishedResult(directory, settings);
  if (published) return published;

  const log = await ItemLog.open(join(directory, 'items.jsonl'), settings);
  try {
    await makeItems(pieces, log, dropped, options);
  } finally {
    await log.close();
  }
  const items = [...log.done.values()];
  const { rows, cutTurns } = buildRows(pieces, log.done, config.contextLength, counter);
  const drops = { ...dropped, ...dropCounts(items), ...(cutTurns > 0 ? { row_too_long: cutTurns } : {}) };
  if (rows.length === 0)
    throw new GenerateError(
      'NO_ROWS',
      `no row is left of ${documents.length} documents (${JSON.stringify(drops)}): add documents, or loosen ` +
        'generate.minDocumentTokens, generate.chunkTokens or generate.filter',
      exitCodes.mismatch,
    );
  const digest = await publishRows(directory, rows);
  const turns = rows.reduce((sum, row) => sum + row.turns.length, 0);
  const result: GenerateResult = {
    path: join(directory, rowsFile),
    digest,
    rows: rows.length,
    turns,
    dropped: drops,
  };
  const counts = {
    documents: documents.length,
    pieces: pieces.length,
    items: items.length,
    yield: turns / items.length,
    tokens: items.reduce((sum, { tokens }) => sum + tokens, 0),
    seconds: (Date.now() - started) / 1000,
  };
  await publishReport(directory, settings, result, counts);
  return result;
}

function dropCounts(items: Item[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { dropped } of items) if (dropped) counts[dropped] = (counts[dropped] ?? 0) + 1;
  return counts;
}

async function makeItems(
  pieces: Piece[],
  log: ItemLog,
  dropped: Record<string, number>,
  { config, ask, ready, signal, onProgress }: GenerateOptions,
): Promise<void> {
  const wanted = pieces.flatMap((piece) => piece.chunks.map((_, n) => ({ piece, n })));
  const missing = wanted.filter(({ piece, n }) => !log.done.has(itemId(piece, n)));
  let tokens = 0;
  const report = () =>
    onProgress({
      completed: wanted.length - missing.length + finished,
      total: wanted.length,
      tokens,
      dropped: { ...dropped, ...dropCounts([...log.done.values()]) },
    });
  let finished = 0;
  report();
  if (missing.length === 0) return;
  await ready();
  const limit = pLimit(config.concurrency);
  // The first failure ends the run: what is in flight is aborted with it, what is done is on the disk.
  const failure = new AbortController();
  const work = missing.map(({ piece, n }) =>
    limit(async () => {
      if (failure.signal.aborted) return;
      signal.throwIfAborted();
      const made = await makeItem(piece, n, config, ask);
      await log.add(made);
      finished++;
      tokens += made.tokens;
      report();
    }).catch((error: unknown) => {
      failure.abort();
      throw error;
    }),
  );
  await Promise.all(work);
}
