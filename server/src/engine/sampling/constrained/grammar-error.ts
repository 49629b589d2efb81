/** A grammar that answers cannot be held to; the caller's fault. */
export class GrammarError extends Error {
  override name = 'GrammarError';
}
