/** Prompts that begin alike and run at the same time: one request reads what they share, the others copy it. */
import { setImmediate } from 'node:timers/promises';
import { pieceBytes, pieces } from '../memory/pieces.ts';
import type { Sequence } from './sequence.ts';

export interface SharedPrefix {
  /** Reads it, or has read it. */
  readonly source: Sequence;
  /** Leading tokens of both prompts. */
  readonly tokens: number;
}

/**
 * The running request that shares the longest prefix with the prompt of `sequence`, if that saves at least `minTokens`.
 * A request for log-probabilities of its prompt must run all of it.
 */
export function longestSharedPrefix(
  { request, promptDone }: Sequence,
  running: readonly Sequence[],
  minTokens: number,
): SharedPrefix | undefined {
  if (request.promptLogprobs !== null) return undefined;
  const shared = running
    .filter(({ ended }) => !ended)
    .map((source) => ({ source, tokens: sharedTokens(source.request.promptIds, request.promptIds) }));
  const longest = shared.reduce<SharedPrefix | undefined>(
    (best, other) => (best && best.tokens >= other.tokens ? best : other),
    undefined,
  );
  return longest && longest.tokens - promptDone >= minTokens ? longest : undefined;
}

/**
 * Leading tokens of `prompt` that are also the first of the leading `count` of `ids`. Never the prompt's last token: its
 * logits are wanted, so it must run.
 */
export function sharedTokens(
  ids: readonly number[],
  prompt: readonly number[],
  count: number = ids.length,
): number {
  const limit = Math.min(count, prompt.length - 1);
  let length = 0;
  while (length < limit && ids[length] === prompt[length]) length++;
  return length;
}

export async function copyMemory(from: readonly Uint8Array[], to: readonly Uint8Array[]): Promise<void> {
  let copied = 0;
  for (const [i, source] of from.entries()) {
    let at = 0;
    for (const piece of pieces(source)) {
      to[i]?.set(piece, at);
      at += piece.length;
      copied += piece.length;
      if (copied < pieceBytes) continue;
      copied = 0;
      await setImmediate();
    }
  }
}
