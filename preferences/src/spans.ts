/**
 * Texts cut at paragraphs into spans of a bounded number of tokens. A span is a slice of its text, to the letter, so
 * a chunk of a document is always found in it.
 */

export interface TokenCounter {
  count(text: string): number;
}

export interface Span {
  text: string;
  tokens: number;
}

/** Pieces that end after a blank line; a paragraph above the limit is cut at sentence ends, then at spaces. */
function parts(text: string, limit: number, counter: TokenCounter): string[] {
  const cutters = [/(?<=\n[ \t]*\n)/, /(?<=[.!?]["')\]]?\s)/, /(?<=\s)/];
  const cut = (piece: string, [cutter, ...rest]: RegExp[]): string[] =>
    cutter === undefined || counter.count(piece) <= limit
      ? [piece]
      : piece.split(cutter).flatMap((smaller) => cut(smaller, rest));
  return text.split(cutters[0] as RegExp).flatMap((paragraph) => cut(paragraph, cutters.slice(1)));
}

/** Neighbouring parts packed greedily; counts of parts are added up, and checked on the whole before it is kept. */
export function packSpans(text: string, limit: number, counter: TokenCounter): Span[] {
  const spans: Span[] = [];
  let current = '';
  let estimate = 0;
  const flush = () => {
    const trimmed = current.trim();
    if (trimmed !== '') spans.push({ text: trimmed, tokens: counter.count(trimmed) });
    current = '';
    estimate = 0;
  };
  for (const part of parts(text, limit, counter)) {
    const tokens = counter.count(part);
    if (estimate + tokens > limit && (current === '' || counter.count((current + part).trim()) > limit))
      flush();
    current += part;
    estimate += tokens;
  }
  flush();
  return spans.filter(({ tokens }) => tokens <= limit);
}
