/** About a millisecond's work: more at once would hold the event loop for long. */
export const pieceBytes = 4 << 20;

export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
