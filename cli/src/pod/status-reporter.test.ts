import { expect, it } from 'vitest';
import { StatusReporter } from './status-reporter.ts';

it('writes what changed during a write in one write more', async () => {
  const written: number[] = [];
  const gate = Promise.withResolvers<void>();
  let state = 0;
  const reporter = new StatusReporter(async () => {
    written.push(state);
    if (written.length === 1) await gate.promise;
  }, 1);
  const change = () => {
    state++;
    reporter.mark();
  };
  change();
  change();
  await new Promise(setImmediate);
  change();
  change();
  gate.resolve();
  await reporter.settled();
  expect(written).toEqual([2, 4]);
});

it('tries again with the newest state when a write fails', async () => {
  const written: number[] = [];
  let state = 1;
  const reporter = new StatusReporter(async () => {
    written.push(state);
    if (state++ < 3) throw new Error('no API server');
  }, 1);
  reporter.mark();
  await reporter.settled();
  expect(written).toEqual([1, 2, 3]);
});
