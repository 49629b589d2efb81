import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockState } from './state-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('lets one process in, names it to the others, and opens again when it is done', () => {
  const unlock = lockState(folder);
  expect(() => lockState(folder)).toThrow(`is in use by process ${process.pid}`);
  unlock();
  lockState(folder)();
});

it('takes over the lock of a process that is gone, and of a pid that another process has now', () => {
  writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1, started: '1' }));
  lockState(folder)();
  writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: process.pid, started: 'another time' }));
  lockState(folder)();
});
