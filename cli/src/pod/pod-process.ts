/**
 * One container as a process of this machine: its own process group, a log file, SIGTERM then SIGKILL, and death
 * with its parent. The only place that starts a container's process, whatever surrounds it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { constants } from 'node:os';

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

const commandNotFound = 127;

/** util-linux sets the parent-death signal; where it is missing (macOS) a killed parent leaves its children. */
const withParentDeath = (command: string[]): string[] =>
  existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--', ...command] : command;

/** Never rejects. */
export function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(commandNotFound));
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(-pid, signal);
  } catch {
    // the group is gone already
  }
}

/** A child that dies with this process and leads a group of its own. */
export function spawnBound(command: string[], options: SpawnOptions): ChildProcess {
  const [executable = '', ...args] = withParentDeath(command);
  return spawn(executable, args, { ...options, detached: true });
}

/** Resolves when it has ended, which it must after the grace period. */
export async function stopWith(
  signal: (name: NodeJS.Signals) => void,
  exited: Promise<number>,
  graceMs: number,
): Promise<void> {
  signal('SIGTERM');
  const timer = setTimeout(() => signal('SIGKILL'), graceMs);
  await exited;
  clearTimeout(timer);
}

export function startPodProcess({ command, env, cwd, logFile }: PodProcessOptions): PodProcess {
  const log = openSync(logFile, 'a');
  const child = spawnBound(command, { cwd, env, stdio: ['ignore', log, log] });
  closeSync(log);
  const pid = child.pid ?? 0;
  const exited = exitOf(child);
  // Whatever the leader left in its group (a rank whose launcher was killed) goes with it.
  void exited.then(() => signalGroup(pid, 'SIGKILL'));
  return { pid, exited, stop: (graceMs) => stopWith((name) => signalGroup(pid, name), exited, graceMs) };
}
