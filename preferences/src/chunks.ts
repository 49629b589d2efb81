/** The short contexts of a piece: its paragraphs packed into chunks, some of them chosen by the seed. Pure. */
import type { GenerateConfig } from '@longpo/api';
import type { Drops } from './drops.ts';
import { sample } from './seed.ts';
import { packSpans, type TokenCounter } from './spans.ts';

export function chunksOf(
  piece: { id: string; text: string },
  { chunkTokens, chunksPerDocument, seed }: GenerateConfig,
  counter: TokenCounter,
  drops: Drops,
): string[] {
  const usable = packSpans(piece.text, chunkTokens.max, counter).filter(({ text, tokens }) => {
    if (tokens > chunkTokens.max) drops.add('chunk_too_long');
    else if (tokens < chunkTokens.min) drops.add('chunk_too_short');
    else if (text === piece.text)
      drops.add('chunk_is_document'); // nothing short about it
    else return true;
    return false;
  });
  const chosen = sample([...usable.keys()], chunksPerDocument, (n) => [seed, piece.id, n, 'chunk']);
  return chosen.flatMap((n) => usable[n]?.text ?? []);
}
