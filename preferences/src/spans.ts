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

/** Where a text may be cut: after a blank line; if that is not enough, after a sentence; if not, after a space. */
const cutters = [/(?<=\n[ \t\r]*\n)/, /(?<=[.!?]["')\]]?\s)/, /(?<=\s)/];

/** The longest parts within the limit; one word above it stays as it is. */
function cut(text: string, limit: number, counter: TokenCounter, depth: number): Span[] {
  const cutter = cutters[depth];
  const smaller = cutter === undefined ? [] : text.split(cutter);
  return smaller.flatMap((part) => {
    const tokens = counter.count(part);
    if (tokens <= limit || depth === cutters.length - 1) return [{ text: part, tokens }];
    return cut(part, limit, counter, depth + 1);
  });
}

/** The parts from `from` on that fit together, and where the next span starts. */
function pack(
  parts: readonly Span[],
  from: number,
  limit: number,
  counter: TokenCounter,
): { span: Span; next: number } {
  const join = (to: number): Span => {
    const text = parts
      .slice(from, to)
      .map((part) => part.text)
      .join('')
      .trim();
    return { text, tokens: counter.count(text) };
  };
  let next = from + 1;
  let sum = parts[from]?.tokens ?? 0;
  for (let part = parts[next]; part !== undefined && sum + part.tokens <= limit; part = parts[next]) {
    sum += part.tokens;
    next++;
  }
  // Over a seam tokens may join or part: the sum is near the count, and the count decides. As much goes as is over.
  let span = join(next);
  while (span.tokens > limit && next > from + 1) {
    for (let over = span.tokens - limit; over > 0 && next > from + 1; ) over -= parts[--next]?.tokens ?? 0;
    span = join(next);
  }
  return { span, next };
}

/** Greedy. A span is above the limit only when it is one word that nothing can cut: the caller drops and counts it. */
export function packSpans(text: string, limit: number, counter: TokenCounter): Span[] {
  const parts = cut(text, limit, counter, 0);
  const sum = parts.reduce((total, { tokens }) => total + tokens, 0);
  if (sum <= limit + parts.length) {
    const whole = text.trim();
    const tokens = counter.count(whole);
    if (tokens <= limit) return whole === '' ? [] : [{ text: whole, tokens }];
  }
  const spans: Span[] = [];
  for (let from = 0; from < parts.length; ) {
    const { span, next } = pack(parts, from, limit, counter);
    if (span.text !== '') spans.push(span);
    from = next;
  }
  return spans;
}
