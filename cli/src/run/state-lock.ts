/** One `longpo run` per state folder: a lock file that names its process, and is stale once that process is gone. */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.ts';

interface Holder {
  pid: number;
  /** Kernel start time of the process, so that a recycled pid is not taken for the holder. */
  started: string;
}

/** Field 22 of /proc/<pid>/stat; empty where there is no /proc, then the pid alone decides. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return startTime(pid) === started;
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

export function lockState(folder: string): () => void {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'lock');
  const own = `${file}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, started: startTime(process.pid) } satisfies Holder));
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(own, file);
        return () => rmSync(file, { force: true });
      } catch {
        const holder = readHolder(file);
        if (holder && isAlive(holder))
          throw new UserError(
            'ALREADY_RUNNING',
            `${folder} is in use by process ${holder.pid}: stop that one first, or give this run another metadata.name`,
          );
        rmSync(file, { force: true });
      }
    }
    throw new UserError('ALREADY_RUNNING', `${file} cannot be taken: another run starts at the same moment`);
  } finally {
    rmSync(own, { force: true });
  }
}
