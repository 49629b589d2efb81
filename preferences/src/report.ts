/** Progress reports to the controller: the last value, at most one a second, never in the way of the work. */
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { ProgressReport } from '@longpo/api';

const periodMs = 1000;
const timeoutMs = 5000;

export class Reporter {
  readonly #url: string | undefined;
  readonly #tokenFile: string | undefined;
  #waiting: ProgressReport | undefined;
  #posting: Promise<void> | undefined;
  #closed = new AbortController();

  constructor(url: string | undefined, tokenFile: string | undefined) {
    this.#url = url;
    this.#tokenFile = tokenFile;
  }

  report(report: ProgressReport): void {
    this.#waiting = report;
    this.#posting ??= this.#postAll().finally(() => {
      this.#posting = undefined;
    });
  }

  /** Posts what still waits. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#posting;
  }

  async #postAll(): Promise<void> {
    while (this.#waiting !== undefined) {
      const report = this.#waiting;
      this.#waiting = undefined;
      await this.#post(report);
      if (!this.#closed.signal.aborted) await this.#pause();
    }
  }

  #pause(): Promise<void> {
    const ended = () => {}; // closing is not an error
    return setTimeout(periodMs, undefined, { signal: this.#closed.signal }).catch(ended);
  }

  async #post(report: ProgressReport): Promise<void> {
    if (this.#url === undefined) return;
    try {
      const token = this.#tokenFile === undefined ? '' : (await readFile(this.#tokenFile, 'utf8')).trim();
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(report),
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.arrayBuffer();
    } catch {
      // the next report says more; progress is never worth failing for
    }
  }
}
