/**
 * A lock between processes, held by the kernel (flock) for a Python child of ours: it is free the moment its holder
 * is gone, however that died, and who waits for it is woken. Node has no flock of its own.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { dyingWithParent } from './logged-command.ts';

const program = `
import fcntl, sys
with open(sys.argv[1], "w") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting", flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.read()
`;

export interface FileLock {
  release(): Promise<void>;
}

export async function lockFile(python: string, file: string, onWait: () => void): Promise<FileLock> {
  mkdirSync(dirname(file), { recursive: true });
  const holder: ChildProcessByStdio<Writable, Readable, null> = spawn(
    ...dyingWithParent([python, '-I', '-c', program, file]),
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  for await (const line of createInterface({ input: holder.stdout })) {
    if (line === 'waiting') onWait();
    if (line === 'locked')
      return {
        release() {
          holder.stdin.end();
          return exited;
        },
      };
  }
  throw new Error(`${file} cannot be locked: ${python} ended first`);
}
