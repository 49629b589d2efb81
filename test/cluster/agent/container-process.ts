/** Starts a container's process inside its surroundings (container.sh) and finds it again among the processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitOf, spawnBound, stopWith, tailOf } from '../../../cli/src/pod/index.ts';

export interface Mount {
  source: string;
  target: string;
  isReadOnly: boolean;
}

export interface ContainerStart {
  sandboxPid: number;
  /** Scratch of this start; the log file is elsewhere and survives it. */
  folder: string;
  logFile: string;
  mounts: Mount[];
  /** Folders of the machine that stay visible at their own paths, on top of the mounts. */
  imageFolders: string[];
  workingDir: string;
  isRootReadOnly: boolean;
  /** As with shareProcessNamespace: process 1 is not the command, which so needs no handler to hear a signal. */
  hasInit: boolean;
  /** Arguments of setpriv: the container's user and what it may do. */
  identity: string[];
  command: string[];
  env: Record<string, string>;
}

export interface RunningContainer {
  pid: number;
  exited: Promise<number>;
  stop(graceMs: number): Promise<void>;
  exec(command: string[], stdio: 'ignore' | 'pipe'): ChildProcess;
}

const script = join(import.meta.dirname, 'container.sh');

/** Resolves when the command has taken over. Fails with what container.sh said when its surroundings could not be made. */
export async function startContainer(start: ContainerStart): Promise<RunningContainer> {
  const scratch = join(start.folder, 'scratch');
  const table = join(start.folder, 'mounts');
  mkdirSync(scratch, { recursive: true });
  const rows = start.mounts.map(
    ({ source, target, isReadOnly }) => `${source}|${target}|${isReadOnly ? 'ro' : 'rw'}\n`,
  );
  const images = start.imageFolders.map((folder) => `${folder}|${folder}|image\n`);
  writeFileSync(table, [...rows, ...images].join(''));
  const namespaces = ['--target', String(start.sandboxPid), '--net', '--uts', '--ipc'];
  const access = start.isRootReadOnly ? 'ro' : 'rw';
  const log = openSync(start.logFile, 'a');
  const child = spawnBound(
    [
      'nsenter',
      ...namespaces,
      'unshare',
      '--mount',
      'sh',
      script,
      scratch,
      table,
      start.workingDir,
      access,
      start.hasInit ? 'init' : 'command',
    ].concat(start.identity, '--', start.command),
    { env: start.env, stdio: ['ignore', log, log, 'pipe'] },
  );
  closeSync(log);
  const exited = exitOf(child);
  if (!(await hasStarted(child))) {
    await exited;
    throw new Error(`the container could not be set up: ${tailOf(start.logFile, 500).trim()}`);
  }
  const first = firstChildOf(child.pid ?? 0) ?? 0;
  const pid = (start.hasInit ? firstChildOf(first) : first) ?? 0;
  const signal = (name: NodeJS.Signals) => {
    try {
      if (pid > 0) process.kill(pid, name);
    } catch {
      // it has ended already
    }
  };
  return {
    pid,
    exited,
    stop: (graceMs) => stopWith(signal, exited, graceMs),
    exec: (command, stdio) => enter(pid, start, command, stdio),
  };
}

/** The pipe ends when the command takes over, or when everything has failed. */
function hasStarted(child: ChildProcess): Promise<boolean> {
  const pipe = child.stdio[3] as NodeJS.ReadableStream;
  let said = '';
  pipe.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve) => {
    pipe.once('end', () => resolve(said.includes('started')));
    child.once('error', () => resolve(false));
  });
}

/** Whoever waits for a command has no other child. */
function firstChildOf(pid: number): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first ? Number(first) : undefined;
  } catch {
    return undefined;
  }
}

function enter(
  pid: number,
  { env, identity, workingDir }: ContainerStart,
  command: string[],
  stdio: 'ignore' | 'pipe',
): ChildProcess {
  const inside = ['--target', String(pid), '--mount', '--uts', '--ipc', '--net', '--pid'];
  const args = [...inside, `--root=/proc/${pid}/root`, `--wdns=${workingDir}`, '/usr/bin/setpriv'];
  return spawn('nsenter', [...args, ...identity, '--', ...command], { env, stdio });
}
