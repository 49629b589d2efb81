/** One long-lived process of a bed that a test may pause, stop and start again with the same data. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BedProcess, Exit } from './bed-process.ts';
import type { Namespaces } from './namespaces.ts';

export interface ComponentOptions {
  name: string;
  command: string[];
  env: Record<string, string>;
  /** Folder of the log file, which a restart continues. */
  logFolder: string;
  namespaces: Namespaces;
  /** Told when it ends though nobody stopped it. */
  onLost(component: Component, exit: Exit): void;
  /** What a start waits for, beyond the process. */
  untilReady?(): Promise<void>;
}

const shownBytes = 4000;

export class Component {
  readonly name: string;
  readonly logFile: string;
  readonly #options: ComponentOptions;
  #process: BedProcess | undefined;
  #isWanted = false;

  constructor(options: ComponentOptions) {
    this.#options = options;
    this.name = options.name;
    this.logFile = join(options.logFolder, `${options.name}.log`);
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** Does nothing while it runs. Resolves when it is ready. */
  async start(): Promise<void> {
    if (!this.isRunning) await this.#spawn();
    await this.#options.untilReady?.();
  }

  async #spawn(): Promise<void> {
    const { command, env, namespaces, onLost } = this.#options;
    const log = openSync(this.logFile, 'a');
    this.#isWanted = true;
    const started = await namespaces
      .spawn(command, { env, stdio: ['ignore', log, log] })
      .finally(() => closeSync(log));
    this.#process = started;
    void started.exited.then((exit) => {
      if (this.#isWanted && this.#process === started) onLost(this, exit);
    });
  }

  /** SIGKILL by default: a crash. Resolves when it has ended. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.release();
    // A paused process takes a signal only when it goes on; SIGCONT first, as afterwards it may be gone.
    this.#process?.kill('SIGCONT');
    this.#process?.kill(signal);
    // nsenter may stop itself after that SIGCONT, about a stop that it has seen late.
    const again = setInterval(() => this.#process?.child.kill('SIGCONT'), 100);
    try {
      await this.#process?.exited;
    } finally {
      clearInterval(again);
    }
  }

  /** From now on its end is no surprise. */
  release(): void {
    this.#isWanted = false;
  }

  /** It keeps its connections and says nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** The end of its log, for messages about a failure. */
  lastLines(): string {
    return readFileSync(this.logFile, 'utf8').slice(-shownBytes).trim();
  }
}
