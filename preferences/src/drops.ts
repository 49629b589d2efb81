/** What is left out, and why: every reason is counted and shown. */

export type DropReason =
  // of the documents
  | 'document_too_short'
  | 'document_too_long'
  | 'chunk_too_short'
  | 'chunk_too_long'
  | 'chunk_is_document'
  // of the answers
  | 'no_question'
  | 'empty'
  | 'refusal'
  | 'repetition'
  | 'too_few_words'
  | 'identical'
  | 'context_length'
  // of the rows
  | 'duplicate_question'
  | 'row_too_long';

export class Drops {
  readonly #counts = new Map<DropReason, number>();

  constructor(reasons: Iterable<DropReason> = []) {
    for (const reason of reasons) this.add(reason);
  }

  add(reason: DropReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}
