import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFile } from './file-lock.ts';
import { realPython } from './setup.fixture.ts';

let file = '';
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'longpo-lock-')), 'lock');
});
afterEach(() => rmSync(join(file, '..'), { recursive: true, force: true }));

/** Another process of ours that takes the lock and keeps it. */
async function otherHolder(): Promise<{ kill(): void }> {
  const module = JSON.stringify(join(import.meta.dirname, 'file-lock.ts'));
  const program =
    `const { lockFile } = await import(${module});` +
    `await lockFile(${JSON.stringify(realPython)}, ${JSON.stringify(file)}, () => {});` +
    'process.stdout.write("locked"); setInterval(() => {}, 60_000);';
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  return { kill: () => void holder.kill('SIGKILL') };
}

describe('a lock file', () => {
  it('is held by one, and goes to the one that waits', async () => {
    const events: string[] = [];
    const first = await lockFile(realPython, file, () => events.push('first waits'));
    const { promise: waiting, resolve } = Promise.withResolvers<void>();
    const second = lockFile(realPython, file, resolve).then((lock) => {
      events.push('second has it');
      return lock;
    });
    await waiting;
    events.push('first releases');
    await first.release();
    await (await second).release();
    expect(events).toEqual(['first releases', 'second has it']);
  });

  it('is free once its holder was killed', async () => {
    const holder = await otherHolder();
    const { promise: waiting, resolve } = Promise.withResolvers<void>();
    const lock = lockFile(realPython, file, resolve);
    await waiting;
    holder.kill();
    await (await lock).release();
  });

  it('says so where the Python cannot lock', async () => {
    await expect(lockFile('/bin/false', file, () => {})).rejects.toThrow(
      'cannot be locked: /bin/false ended first',
    );
  });
});
