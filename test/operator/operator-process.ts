/**
 * The operator as a process of its own, as its image starts it, on a config that the test writes: what it logs, what it
 * serves, how it ends. It can be started again after it has ended.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiVersion, type ProgressReport } from '../../api/src/index.ts';
import { spawnBound } from '../../cli/src/pod/index.ts';
import { until } from '../waiting.ts';

const main = join(import.meta.dirname, '..', '..', 'controller', 'src', 'main.ts');
const patience = { timeoutMs: 60_000, pollMs: 20 };

export interface OperatorOptions {
  /** Where its config is written. */
  folder: string;
  /** Path of the file that says where the cluster is and who the operator is. */
  kubeconfig: string;
  /** Fields of the operator's config (controller/src/config/schema.ts). */
  config: object;
}

/** What the progress endpoint answers; `code` with a refusal. */
export interface Answer {
  status: number;
  code?: string;
}

interface Run {
  child: ChildProcess;
  /** Exit code; null after a signal that it does not handle. */
  ended: Promise<number | null>;
  isEnded: boolean;
  /** Where its part of the output begins. */
  from: number;
}

type Line = { msg: string; [key: string]: unknown };

export class OperatorProcess {
  /** Of all its starts. */
  output = '';
  readonly #command: string[];
  #run: Run | undefined;

  constructor({ folder, kubeconfig, config }: OperatorOptions) {
    const file = join(folder, 'config.json');
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, JSON.stringify(config));
    this.#command = [process.execPath, main, '--config', file, '--kubeconfig', kubeconfig];
  }

  start(): void {
    const child = spawnBound(this.#command, {
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const run: Run = { child, ended, isEnded: false, from: this.output.length };
    void ended.then(() => {
      run.isEnded = true;
    });
    this.#run = run;
  }

  get ended(): Promise<number | null> {
    return this.#started.ended;
  }

  /** SIGKILL: nothing is finished, flushed or released. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Resolves with the exit code, as `ended` does. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#started.child.kill(signal);
    return this.ended;
  }

  messages(): string[] {
    return this.#lines().map(({ msg }) => msg);
  }

  /** Waits for a line since the last start with this message and these values. */
  async logged(msg: string, values: Record<string, unknown> = {}): Promise<Line> {
    const wanted = Object.entries({ msg, ...values });
    const look = () => {
      // Asked first: whoever has ended writes no more.
      const { isEnded } = this.#started;
      const line = this.#lines().find((candidate) =>
        wanted.every(([key, value]) => candidate[key] === value),
      );
      if (line === undefined && isEnded)
        throw new Error(`the operator ended and never logged "${msg}":\n${this.output}`);
      return line;
    };
    return until(`the operator logs "${msg}"`, look, patience).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : error}\n${this.output.slice(-4000)}`);
    });
  }

  async statusOf(path: string): Promise<number> {
    return (await fetch(`${await this.#origin('metrics')}${path}`)).status;
  }

  /** Samples by name and labels. */
  async metrics(): Promise<Map<string, number>> {
    const text = await (await fetch(`${await this.#origin('metrics')}/metrics`)).text();
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      samples.map((line) => {
        const at = line.lastIndexOf(' ');
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
    );
  }

  /** What a pod with this token is answered that reports for a training. */
  async report(
    token: string,
    { namespace, name }: { namespace: string; name: string },
    body: ProgressReport,
  ): Promise<Answer> {
    const path = `/apis/${apiVersion}/namespaces/${namespace}/longpotrainings/${name}/progress`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const url = `${await this.#origin('progress')}${path}`;
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    const { status } = response;
    if (response.ok) return { status };
    return { status, code: ((await response.json()) as { error: { code: string } }).error.code };
  }

  async #origin(serves: 'metrics' | 'progress'): Promise<string> {
    return `http://127.0.0.1:${(await this.logged('listening', { serves })).port}`;
  }

  get #started(): Run {
    if (this.#run === undefined) throw new Error('the operator was never started');
    return this.#run;
  }

  #lines(): Line[] {
    return this.output
      .slice(this.#started.from)
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }
}
