/** Which end of a pod broke a gang, and which followed from that. Pure. */

/** A pod that has ended; times are RFC 3339, in whole seconds as a kubelet has them. */
export interface Life {
  startedAt: string;
  at: string;
  exitCode: number;
}

/**
 * The ends that are nobody's consequence, in order. A rank that ends breaks the gang, and every rank that was in it
 * ends too, at once or when its collective times out: so whoever had started before an end is a consequence of it.
 */
export function brokenBy<T extends Life>(ended: T[]): T[] {
  const roots: T[] = [];
  let brokenAt = Number.NEGATIVE_INFINITY;
  // Within one second: whoever only lost the others ends with 1, the smallest code of a failure.
  const inOrder = ended.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at) || b.exitCode - a.exitCode);
  for (const one of inOrder) {
    if (Date.parse(one.startedAt) <= brokenAt) continue;
    brokenAt = Date.parse(one.at);
    roots.push(one);
  }
  return roots;
}
