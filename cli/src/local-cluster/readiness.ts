/** HTTP readiness probe: asks until told to stop, and says when the answer changes. */
import type { Probe } from '@longpo/api';

/** A laptop user waits for this; a kubelet's seconds would be felt. */
const intervalMs = 250;
const timeoutMs = 2000;

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false; // not listening yet, or no more
  }
}

export function watchReadiness(
  probe: Probe,
  address: string,
  onChange: (ready: boolean) => void,
): () => void {
  const url = `http://${address}${probe.httpGet?.path ?? '/'}`;
  let ended = false;
  let ready = false;
  let timer: NodeJS.Timeout | undefined;
  const ask = async () => {
    const now = await answers(url);
    if (ended) return;
    if (now !== ready) onChange(now);
    ready = now;
    timer = setTimeout(() => void ask(), intervalMs);
  };
  void ask();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
