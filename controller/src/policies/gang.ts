/** Which end of a pod broke a gang, and which followed from that. Pure. */

/** A pod that has ended; times are RFC 3339, in whole seconds as a kubelet has them. */
export interface Life {
  startedAt: string;
  at: string;
  exitCode: number;
  /** Its own words: it only lost another rank. */
  lostPeer: boolean;
}

/**
 * A rank hears of a lost one within milliseconds, and its pod may well end first: so many seconds longer than that.
 * Whoever waits for a collective to time out comes later.
 */
const headStartSeconds = 30;

/**
 * The ends that are nobody's consequence, in order. A rank that ends breaks the gang, and every rank that was in it
 * ends too, at once or when its collective times out: so whoever had started before an end is a consequence of it.
 */
export function brokenBy<T extends Life>(ended: T[]): T[] {
  const roots: T[] = [];
  let brokenAt = Number.NEGATIVE_INFINITY;
  const orderOf = ({ at, lostPeer }: T) => Date.parse(at) + (lostPeer ? headStartSeconds * 1000 : 0);
  // Within one second: who lost the others and does not say so ends with 1, the smallest code of a failure.
  const inOrder = ended.toSorted((a, b) => orderOf(a) - orderOf(b) || b.exitCode - a.exitCode);
  for (const one of inOrder) {
    if (Date.parse(one.startedAt) <= brokenAt) continue;
    brokenAt = Date.parse(one.at);
    roots.push(one);
  }
  return roots;
}
