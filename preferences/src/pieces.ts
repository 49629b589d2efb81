/** Documents cut at paragraphs into pieces that fit the context, each with its chunks: all there is to ask about. */
import { setImmediate } from 'node:timers/promises';
import type { GenerateConfig } from '@longpo/api';
import { planBudget } from './budget.ts';
import { chunksOf } from './chunks.ts';
import type { Document } from './documents.ts';
import { Drops } from './drops.ts';
import { Sampler, sha256 } from './seed.ts';
import { packSpans, type TokenCounter } from './spans.ts';

/** A document, or a piece of one, that fits the context with its questions and answers. */
export interface Piece {
  /** `<source>#<n>-<hash>`: stable while the text is. */
  id: string;
  source: string;
  text: string;
  /** Of the text. */
  tokens: number;
  chunks: string[];
}

export interface Plan {
  pieces: Piece[];
  drops: Drops;
}

export async function planPieces(
  documents: AsyncIterable<Document>,
  config: GenerateConfig,
  counter: TokenCounter,
  signal: AbortSignal,
): Promise<Plan> {
  const budget = planBudget(config);
  const drops = new Drops();
  const sampler = new Sampler<Omit<Piece, 'chunks'>>(config.maxDocuments, ({ id }) => [
    config.seed,
    id,
    'document',
  ]);
  for await (const { source, text } of documents) {
    for (const [n, span] of packSpans(text, budget.document, counter).entries()) {
      if (span.tokens > budget.document) drops.add('document_too_long');
      else if (span.tokens < budget.minDocument) drops.add('document_too_short');
      else sampler.add({ id: `${source}#${n}-${sha256(span.text).slice(0, 8)}`, source, ...span });
    }
    await setImmediate(); // counting is all computation: let a signal in
    signal.throwIfAborted();
  }
  const pieces = sampler
    .items()
    .map((piece) => ({ ...piece, chunks: chunksOf(piece, config, counter, drops) }));
  return { pieces: pieces.filter(({ chunks }) => chunks.length > 0), drops };
}
