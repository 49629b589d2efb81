/**
 * One container as a process of this machine: its own process group, a log file, SIGTERM then SIGKILL, and death
 * with its parent. The only place that starts a pod's process; a node agent needs nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';

export interface PodProcessOptions {
  command: string[];
  env: Record<string, string>;
  cwd: string;
  logFile: string;
}

export interface PodProcess {
  pid: number;
  /** Exit code as a shell gives it: 128 + signal when killed. Never rejects. */
  exited: Promise<number>;
  stop(graceMs: number): Promise<void>;
}

const signals: Record<string, number> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};
const commandNotFound = 127;

/** util-linux sets the parent-death signal; where it is missing (macOS) a killed parent leaves its children. */
const withParentDeath = (command: string[]): string[] =>
  existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--', ...command] : command;

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(commandNotFound));
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signals[signal ?? ''] ?? 0)));
  });
}

export function startPodProcess({ command, env, cwd, logFile }: PodProcessOptions): PodProcess {
  const log = openSync(logFile, 'a');
  const [executable = '', ...args] = withParentDeath(command);
  const child = spawn(executable, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  const pid = child.pid ?? 0;
  const exited = exitOf(child);
  const signalGroup = (signal: NodeJS.Signals) => {
    try {
      if (pid > 0) process.kill(-pid, signal);
    } catch {
      // the group is gone already
    }
  };
  // Whatever the leader left in its group (a rank whose launcher was killed) goes with it.
  void exited.then(() => signalGroup('SIGKILL'));
  return {
    pid,
    exited,
    async stop(graceMs) {
      signalGroup('SIGTERM');
      const timer = setTimeout(() => signalGroup('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
