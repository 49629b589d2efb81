/** Waiting for states of the world that no event tells of. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Patience {
  timeoutMs?: number;
  pollMs?: number;
}

/** What `look` finds, once it finds something; fails with `what` when it never does. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 120_000, pollMs = 25 }: Patience = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what}: never came true`);
    await sleep(pollMs);
  }
}

/** What is read, once it is as wanted, or as it is when that does not come: an assertion then shows the difference. */
export async function settled<T>(
  read: () => Promise<T>,
  isWanted: (value: T) => boolean,
  { timeoutMs = 60_000, pollMs = 200 }: Patience = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (isWanted(value) || Date.now() > deadline) return value;
    await sleep(pollMs);
  }
}
