/** longpo-serve as a process of its own, for load and faults: what it answers, holds and ends with is seen from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const main = join(import.meta.dirname, '..', '..', 'server', 'src', 'main.ts');

export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export class ServerProcess {
  readonly url: string;
  readonly ended: Promise<ServerEnd>;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess, ended: Promise<ServerEnd>) {
    this.url = url;
    this.#child = child;
    this.ended = ended;
  }

  /** Resolves when the model answers; throws what the server says where it cannot start. */
  static async start(
    model: string,
    flags: readonly string[] = [],
    nodeFlags: readonly string[] = [],
  ): Promise<ServerProcess> {
    const args = [
      ...nodeFlags,
      main,
      model,
      '--served-model-name',
      'served',
      '--listen',
      '127.0.0.1:0',
      ...flags,
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const ended = once(child, 'close').then(([code, signal]): ServerEnd => ({ code, signal, stderr }));
    const ready = Promise.withResolvers<string>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { msg, url } = JSON.parse(line) as { msg: string; url?: string };
      if (msg === 'ready' && url !== undefined) ready.resolve(url);
    });
    void ended.then(() => ready.reject(new Error(stderr)));
    return new ServerProcess(await ready.promise, child, ended);
  }

  /** Asks it to stop, as an orchestrator does. */
  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  /** Ends it at once, whatever it does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** As a client sees it; the answer of the server is read whole. */
  async complete(request: object): Promise<unknown> {
    const response = await this.post('/v1/completions', request);
    const { status } = response;
    const answer = (await response.json()) as { choices?: unknown; error?: unknown };
    return status === 200 ? answer.choices : { status, error: answer.error };
  }

  post(path: string, request: object, signal: AbortSignal | null = null): Promise<Response> {
    const body = JSON.stringify({ model: 'served', ...request });
    return fetch(`${this.url}${path}`, { method: 'POST', body, signal });
  }

  /** Sum of a metric over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const samples = text.split('\n').filter((line) => line.startsWith(`${name}{`));
    return samples.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async openFiles(): Promise<number> {
    return (await readdir(`/proc/${this.#child.pid}/fd`)).length;
  }
}
