/** documents -> pieces -> chunks -> questions -> chosen and rejected answers -> filters -> rows, resumable. */
import { join } from 'node:path';
import { exitCodes, type GenerateConfig, type GenerateResult, type PreferenceRow } from '@longpo/api';
import type { Completions } from './completions.ts';
import { readDocuments, summarizeDocuments } from './documents.ts';
import type { Drops } from './drops.ts';
import { GenerateError } from './errors.ts';
import { ItemLog } from './item-log.ts';
import type { Item } from './items.ts';
import { planPieces } from './pieces.ts';
import { publishedResult, publishReport, publishRows, rowsFile } from './publish.ts';
import { buildRows } from './rows.ts';
import { settingsDigest } from './settings.ts';
import type { TokenCounter } from './spans.ts';
import { makeItems, type Progress } from './work.ts';

export interface GenerateOptions {
  config: GenerateConfig;
  counter: TokenCounter;
  /** Digest that tells the model from others. */
  model: string;
  completions: Completions;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

export async function generate(options: GenerateOptions): Promise<GenerateResult> {
  const { config, counter, signal } = options;
  const { directory } = config;
  const started = Date.now();
  const documents = await summarizeDocuments(config.documents);
  const settings = settingsDigest(config, options.model, documents.digest);
  const published = await publishedResult(directory, settings);
  if (published) return published;

  const { pieces, drops } = await planPieces(readDocuments(config.documents), config, counter, signal);
  const log = await ItemLog.open(join(directory, 'items.jsonl'), settings);
  try {
    await makeItems(pieces, log, drops, options);
  } finally {
    await log.close();
  }
  const items = [...log.done.values()];
  for (const { dropped } of items) if (dropped) drops.add(dropped);
  const rows = buildRows(pieces, log.done, config, counter, drops);
  if (rows.length === 0) throw noRows(documents.count, drops);
  const result: GenerateResult = {
    path: join(directory, rowsFile),
    digest: await publishRows(directory, rows),
    rows: rows.length,
    turns: rows.reduce((sum, row) => sum + row.turns.length, 0),
    dropped: drops.counts(),
  };
  await publishReport(directory, settings, result, {
    documents: documents.count,
    pieces: pieces.length,
    chunks: pieces.reduce((sum, piece) => sum + piece.chunks.length, 0),
    ...countItems(items, result.turns),
    answerWords: answerWords(rows),
    seconds: (Date.now() - started) / 1000,
  });
  return result;
}

function noRows(documents: number, drops: Drops): GenerateError {
  const counts = Object.entries(drops.counts()).map(([reason, count]) => `${reason} ${count}`);
  return new GenerateError(
    'NO_ROWS',
    `no row is left of ${documents} documents (dropped: ${counts.join(', ') || 'nothing'}): add documents, or loosen ` +
      'generate.minDocumentTokens, generate.chunkTokens or generate.filter',
    exitCodes.mismatch,
  );
}

function countItems(items: readonly Item[], turns: number): object {
  return {
    items: items.length,
    yield: items.length === 0 ? 0 : turns / items.length,
    tokens: items.reduce((sum, { tokens }) => sum + tokens, 0),
    truncatedAnswers: items.reduce((sum, { truncated }) => sum + truncated, 0),
  };
}

/** Means. Log-probs are summed over an answer, so a lasting difference in length is rewarded by itself. */
function answerWords(rows: readonly PreferenceRow[]): { chosen: number; rejected: number } {
  const turns = rows.flatMap((row) => row.turns);
  const mean = (kind: 'chosen' | 'rejected') =>
    turns.reduce((sum, turn) => sum + turn[kind].split(/\s+/).length, 0) / turns.length;
  return { chosen: mean('chosen'), rejected: mean('rejected') };
}
