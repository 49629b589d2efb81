import { describe, expect, it } from 'vitest';
import { WorkQueue } from './work-queue.ts';

/** A queue whose work starts and ends by hand. */
function makeQueue(concurrency = 4) {
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
    concurrency,
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

  it('keeps the earlier of two appointments for a key, whichever was made first', async () => {
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
    queue.addAfter('b', 600_000);
    queue.addAfter('a', 5);
    queue.addAfter('a', 20);
    queue.addAfter('b', 10);
    queue.addAfter('end', 60);
    await promise;
    expect(runs).toEqual(['a', 'b', 'end']);
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

  it('has no more keys in work than it may, takes the next when one ends, and says how it stands', async () => {
    const { queue, started, ends, most, settle } = makeQueue(2);
    for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
    await settle();
    expect({ started: [...started], depth: queue.depth }).toEqual({ started: ['a', 'b'], depth: 2 });
    expect(queue.longestRunningMs).toBeGreaterThan(0);
    for (let next = 0; next < 4; next++) {
      ends[next]?.();
      await settle();
    }
    expect({ started, most: most(), depth: queue.depth, longest: queue.longestRunningMs }).toEqual({
      started: ['a', 'b', 'c', 'd'],
      most: 2,
      depth: 0,
      longest: 0,
    });
  });

  it('does nothing while it is held, then all that was added', async () => {
    const worked: string[] = [];
    const queue = new WorkQueue({
      async work(key) {
        worked.push(key);
        return undefined;
      },
      onError: () => undefined,
      held: true,
    });
    for (const key of ['a', 'b', 'a']) queue.add(key);
    await new Promise(setImmediate);
    const before = [...worked];
    queue.release();
    await new Promise(setImmediate);
    expect({ before, worked }).toEqual({ before: [], worked: ['a', 'b'] });
  });

  it('works on what changed before what is only due again', async () => {
    const { queue, started, ends, settle } = makeQueue(1);
    queue.add('running');
    queue.addAfter('due', 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    queue.add('changed');
    for (let next = 0; next < 3; next++) {
      await settle();
      ends[next]?.();
    }
    await settle();
    expect(started).toEqual(['running', 'changed', 'due']);
  });

  it('lets a key that keeps failing hold up no other', async () => {
    const done: string[] = [];
    const queue = new WorkQueue({
      async work(key) {
        if (key === 'bad') throw new Error('refused');
        done.push(key);
        return undefined;
      },
      onError: () => undefined,
      concurrency: 1,
    });
    queue.add('bad');
    queue.add('good');
    await new Promise(setImmediate);
    expect(done).toEqual(['good']);
    await queue.stop();
  });

  it('holds back retries beyond the rate of all keys together', async () => {
    const failed: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = new WorkQueue({
      async work(key) {
        throw new Error(key);
      },
      onError(key) {
        failed.push(key);
        if (failed.length === 5) resolve();
      },
      baseDelayMs: 1,
      retriesPerSecond: 0.001,
      retryBurst: 2,
    });
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await promise;
    await new Promise((end) => setTimeout(end, 20));
    // c found the bucket empty, and so do the second failures of a and b.
    expect(failed).toEqual(['a', 'b', 'c', 'a', 'b']);
    await queue.stop();
  });

  it('tells its observer of every run and retry', async () => {
    const seen: string[] = [];
    let failures = 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = new WorkQueue({
      async work() {
        if (failures-- > 0) throw new Error('refused');
        return undefined;
      },
      onError: () => undefined,
      baseDelayMs: 1,
      observer: {
        onTaken: (waitedMs) => seen.push(waitedMs >= 0 ? 'taken' : 'taken before it came'),
        onRetry: () => seen.push('retry'),
        onDone(result) {
          seen.push(result);
          if (result === 'success') resolve();
        },
      },
    });
    queue.add('a');
    await promise;
    await queue.stop();
    expect(seen).toEqual(['taken', 'error', 'retry', 'taken', 'success']);
  });
});
