import { describe, expect, it } from 'vitest';
import { WorkQueue } from './work-queue.ts';

/** A queue whose work starts and ends by hand. */
function makeQueue(maxDelayMs = 30_000) {
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const errors: string[] = [];
  let inFlight = 0;
  let most = 0;
  const queue = new WorkQueue({
    async work(key) {
      started.push(key);
      most = Math.max(most, ++inFlight);
      await new Promise<void>((resolve) => ends.push(resolve));
      inFlight--;
      return undefined;
    },
    onError: (key) => errors.push(key),
    maxDelayMs,
  });
  const settle = () => new Promise(setImmediate);
  return { queue, started, ends, most: () => most, settle };
}

describe('WorkQueue', () => {
  it('never has one key in two workers, and works once more on a key that changed meanwhile', async () => {
    const { queue, started, ends, most, settle } = makeQueue();
    queue.add('a');
    for (let change = 0; change < 3; change++) queue.add('a');
    await settle();
    expect(started).toEqual(['a']);
    ends[0]?.();
    await settle();
    expect(started).toEqual(['a', 'a']);
    ends[1]?.();
    await settle();
    expect({ started, most: most() }).toEqual({ started: ['a', 'a'], most: 1 });
  });

  it('works on different keys side by side', async () => {
    const { queue, started, most, settle } = makeQueue();
    queue.add('a');
    queue.add('b');
    await settle();
    expect({ started, most: most() }).toEqual({ started: ['a', 'b'], most: 2 });
  });

  it('comes back to a failing key later each time, and starts over after a success', async () => {
    const times: number[] = [];
    const errors: string[] = [];
    let failures = 4;
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = new WorkQueue({
      async work() {
        times.push(performance.now());
        if (failures-- > 0) throw new Error('refused');
        resolve();
        return undefined;
      },
      onError: (key, error) => errors.push(`${key}: ${String(error)}`),
      baseDelayMs: 20,
      maxDelayMs: 80,
    });
    queue.add('a');
    await promise;
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    // 20, 40, 80 and 80 again: the bound. A timer may be early by less than a millisecond, and late by any time.
    expect(gaps.map((gap, i) => gap >= ([20, 40, 80, 80][i] ?? 0) - 1)).toEqual([true, true, true, true]);
    expect(errors).toEqual(Array(4).fill('a: Error: refused'));
    await queue.stop();
  });

  it('comes back when the work asks for it', async () => {
    let runs = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = new WorkQueue({
      async work() {
        if (++runs === 2) resolve();
        return runs === 1 ? { requeueAfterSeconds: 0.01 } : undefined;
      },
      onError: () => undefined,
    });
    queue.add('a');
    await promise;
    await queue.stop();
    expect(runs).toBe(2);
  });

  it('keeps the later of two appointments for a key', async () => {
    const runs: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = new WorkQueue({
      async work(key) {
        runs.push(key);
        if (key === 'end') resolve();
        return undefined;
      },
      onError: () => undefined,
    });
    queue.addAfter('a', 5);
    queue.addAfter('a', 20);
    queue.addAfter('end', 60);
    await promise;
    expect(runs).toEqual(['a', 'end']);
    await queue.stop();
  });

  it('waits for running work when it stops, and takes no more', async () => {
    const { queue, started, ends, settle } = makeQueue();
    queue.add('a');
    queue.add('a');
    queue.addAfter('b', 1);
    let stopped = false;
    const stop = queue.stop().then(() => {
      stopped = true;
    });
    queue.add('c');
    await settle();
    expect(stopped).toBe(false);
    ends[0]?.();
    await stop;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(started).toEqual(['a']);
  });

  it('does not meet itself when its work adds the key again before it first waits', async () => {
    const events: string[] = [];
    let runs = 0;
    const queue: WorkQueue = new WorkQueue({
      async work(key) {
        events.push('begin');
        if (++runs === 1) queue.add(key); // a write whose own event names the key again
        events.push('end');
        return undefined;
      },
      onError: (_, error) => events.push(String(error)),
    });
    queue.add('a');
    await new Promise(setImmediate);
    expect(events).toEqual(['begin', 'end', 'begin', 'end']);
  });
});
