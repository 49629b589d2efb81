/** What there is to ask: documents cut to fit the context, and the chunks of each. Pure but for the counting. */
import type { GenerateConfig } from '@longpo/api';
import type { Document } from './documents.ts';
import { GenerateError } from './errors.ts';
import { sample, sha256 } from './seed.ts';
import { packSpans, type TokenCounter } from './spans.ts';

/** A document, or a piece of one, that fits the context with its questions and answers. */
export interface Piece {
  /** `<source>#<n>-<hash>`: stable while the text is. */
  id: string;
  source: string;
  text: string;
  chunks: string[];
}

export interface Tasks {
  pieces: Piece[];
  dropped: Record<string, number>;
}

/** Tokens of one question with its lead-in, and of the template around a turn, at most. */
const questionTokens = 96;
const templateTokens = 32;

/** Tokens left for the document: both branches carry every question and answer of the row. */
export function documentBudget({
  contextLength,
  chunksPerDocument,
  answer,
  chunkTokens,
}: GenerateConfig): number {
  const budget =
    contextLength - templateTokens - chunksPerDocument * (questionTokens + answer.maxTokens + templateTokens);
  if (budget >= chunkTokens.min) return budget;
  throw new GenerateError(
    'CONTEXT_TOO_SMALL',
    `contextLength ${contextLength} leaves ${budget} tokens for the document beside ${chunksPerDocument} turns of ` +
      `${answer.maxTokens} answer tokens, but a chunk has at least ${chunkTokens.min}: lower generate.chunksPerDocument, ` +
      'generate.answer.maxTokens or generate.chunkTokens.min, or raise the context length',
  );
}

export function planTasks(documents: Document[], config: GenerateConfig, counter: TokenCounter): Tasks {
  const budget = documentBudget(config);
  const minTokens = config.minDocumentTokens || Math.floor(config.contextLength / 2);
  const dropped: Record<string, number> = {};
  const drop = (reason: string, count = 1) => {
    dropped[reason] = (dropped[reason] ?? 0) + count;
  };
  const pieces: Piece[] = [];
  for (const { source, text } of documents) {
    for (const [n, span] of packSpans(text, budget, counter).entries()) {
      const id = `${source}#${n}-${sha256(span.text).slice(0, 8)}`;
      if (span.tokens < minTokens) drop('document_too_short');
      else pieces.push({ id, source, text: span.text, chunks: [] });
    }
  }
  const chosen = sample(pieces, config.maxDocuments, ({ id }) => [config.seed, id, 'document']);
  for (const piece of chosen) piece.chunks = chunksOf(piece, config, counter, drop);
  return { pieces: chosen.filter(({ chunks }) => chunks.length > 0), dropped };
}

function chunksOf(
  piece: Piece,
  { chunkTokens, chunksPerDocument, seed }: GenerateConfig,
  counter: TokenCounter,
  drop: (reason: string, count?: number) => void,
): string[] {
  const spans = packSpans(piece.text, chunkTokens.max, counter);
  const large = spans.filter(({ tokens }) => tokens >= chunkTokens.min);
  drop('chunk_too_short', spans.length - large.length);
  const chosen = sample([...large.keys()], chunksPerDocument, (n) => [seed, piece.id, n, 'chunk']);
  return chosen.flatMap((n) => large[n]?.text ?? []);
}
