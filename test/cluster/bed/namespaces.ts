/**
 * One set of network, mount and pid namespaces. Everything of a bed lives inside: ending its first process ends every
 * process, mount and interface at once, and the kernel leaves nothing on the host.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { BedProcess, childOf } from './bed-process.ts';

export interface SpawnOptions {
  env: Record<string, string>;
  cwd?: string;
  stdio?: StdioOptions;
}

/**
 * The guardian stands outside, in a session of its own. It holds a pipe of ours: when that closes, because we closed
 * it or because we are gone, however that happened, it ends the namespaces and removes the folder.
 * First argument: the folder; the others: what to run as the namespaces' first process.
 */
const guardian = `
folder=$1; shift
setpriv --pdeathsig KILL -- unshare --net --mount --pid --fork --mount-proc --kill-child -- "$@" </dev/null &
holder=$!
exec >&- # the pipe's end tells that the namespaces ended
read -r _
exec 2>/dev/null # whoever read our errors may be gone, and writing them would end us too early
first=$(cat /proc/$holder/task/$holder/children)
kill -KILL \${first:-$holder}
wait $holder # which ends after the last process inside
rm -rf -- "$folder"
`;

/**
 * The first process: it sets the network up, says so, and then only reaps. `wait` in a loop takes every orphan;
 * a plain `sleep` would leave zombies.
 */
const firstProcess = (setUp: string): string => `set -e
${setUp}
echo up
set +e
while :; do sleep 1000000 & wait $!; done`;

export class Namespaces {
  /** Removed with the namespaces. */
  readonly folder: string;
  readonly #guardian: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #pid: number;

  private constructor(folder: string, process: ChildProcess, ended: Promise<unknown>, pid: number) {
    this.folder = folder;
    this.#guardian = process;
    this.#ended = ended;
    this.#pid = pid;
  }

  /** `setUp` is a shell script that runs inside, first. */
  static async open(folder: string, setUp: string, env: Record<string, string>): Promise<Namespaces> {
    const child = spawn('sh', ['-c', guardian, 'guardian', folder, 'sh', '-c', firstProcess(setUp)], {
      detached: true,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ended = once(child, 'close');
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    const up = once(child.stdout, 'data').then(() => true);
    // A set-up that fails ends the first process, not the guardian.
    const failed = once(child.stdout, 'end').then(() => false);
    if (!(await Promise.race([up, failed, ended.then(() => false)]))) {
      child.stdin.end();
      await ended;
      throw new Error(`the namespaces of the bed did not start: ${errors.trim()}`);
    }
    const holder = childOf(child.pid);
    const pid = childOf(holder);
    if (pid === undefined) throw new Error('the first process of the bed is gone');
    return new Namespaces(folder, child, ended, pid);
  }

  /** Id of the first process, as the host counts. */
  get pid(): number {
    return this.#pid;
  }

  /**
   * Starts a process inside. It runs under a shell that only changes the folder: `nsenter --mount` forgets it.
   * It dies with nsenter, nsenter with us.
   */
  spawn(command: string[], { env, cwd = '/', stdio = 'pipe' }: SpawnOptions): Promise<BedProcess> {
    const enter = ['--target', String(this.#pid), '--net', '--mount', '--pid', '--'];
    const inside = ['sh', '-c', 'cd "$0" && exec setpriv --pdeathsig KILL -- "$@"', cwd, ...command];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'nsenter', ...enter, ...inside], {
      // A terminal's Ctrl-C is for the one who started the bed; it ends the rest in order.
      detached: true,
      env,
      stdio,
    });
    return BedProcess.started(child, command);
  }

  /** Done when no process, mount or interface of it is left, nor its folder. */
  async close(): Promise<void> {
    this.#guardian.stdin?.end();
    await this.#ended;
  }
}
