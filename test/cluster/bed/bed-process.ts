/**
 * A process inside a bed, started from outside. Our child is nsenter, which waits for the real one and ends as it
 * ends; a signal to nsenter would reach nobody else, so signals go to the real one.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 2;

/** Host's id of the only child of a process; undefined while it has none, and when it is gone. */
export function childOf(pid: number | undefined): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first ? Number(first) : undefined;
  } catch {
    return undefined;
  }
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class BedProcess {
  /** Streams and IPC channel of the process are those of this child. */
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  #pid: number | undefined;
  #isRunning = true;

  private constructor(child: ChildProcess, command: string[]) {
    this.child = child;
    this.exited = new Promise((resolve, reject) => {
      child.once('error', (cause) => reject(new Error(`${command[0]} did not start`, { cause })));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const ended = () => {
      this.#isRunning = false;
    };
    this.exited.then(ended, ended);
  }

  static async started(child: ChildProcess, command: string[]): Promise<BedProcess> {
    const process = new BedProcess(child, command);
    while (process.#isRunning && process.#pid === undefined) {
      process.#pid = childOf(child.pid);
      if (process.#pid === undefined) await sleep(pollMs);
    }
    return process;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Id of the real process, as the host counts; undefined when it ended before it could be seen. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Does nothing once it ended. */
  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (!this.#isRunning || this.#pid === undefined) return;
    try {
      process.kill(this.#pid, signal);
      // nsenter stops itself when it sees that its child has stopped, and then never hears of its end.
      if (signal === 'SIGCONT') this.child.kill('SIGCONT');
    } catch (error) {
      // It ended in this moment; nsenter has not told us yet.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
