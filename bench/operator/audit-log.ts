/**
 * The API server's own record of calls: those of the operator, and those that make a training. Its times are the API
 * server's, so nothing of what measures is in them.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiCall, parseAuditLine } from './api-call.ts';

const policyFor = (user: string) => ({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Metadata', users: [user] },
    {
      level: 'Metadata',
      verbs: ['create'],
      resources: [{ group: 'longpo.dev', resources: ['longpotrainings'] }],
    },
    { level: 'None' },
  ],
});

export class AuditLog {
  /** All that was read so far, in the order of the answers; of a watch, when it was open and when it ended. */
  readonly calls: ApiCall[] = [];
  readonly #user: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'longpo-audit-'));
  readonly #buffer = Buffer.alloc(1 << 20);
  #read = 0;
  #rest = Buffer.alloc(0);

  /** `user`: whose calls are recorded. Its flags belong to the API server's start. */
  constructor(user: string) {
    this.#user = user;
    writeFileSync(join(this.#folder, 'policy.json'), JSON.stringify(policyFor(user)));
    writeFileSync(this.#file, '');
  }

  get flags(): string[] {
    return [
      ...['--audit-policy-file', join(this.#folder, 'policy.json')],
      // Never rotated: it is read while it grows.
      ...['--audit-log-path', this.#file, '--audit-log-maxsize', '4096'],
    ];
  }

  get #file(): string {
    return join(this.#folder, 'audit.log');
  }

  /** What the operator asked for, since the call with this index. */
  ofOperator(since = 0): ApiCall[] {
    this.#readOn();
    return this.calls.slice(since).filter(({ user }) => user === this.#user);
  }

  /** Index of the next call. */
  get mark(): number {
    this.#readOn();
    return this.calls.length;
  }

  /** Waits until something is true of the calls; false when it did not come true in time. */
  async until(
    isTrue: (calls: readonly ApiCall[]) => boolean,
    { limitMs, everyMs = 10 }: { limitMs: number; everyMs?: number },
  ): Promise<boolean> {
    const limit = performance.now() + limitMs;
    for (let isFirst = true; performance.now() < limit; isFirst = false) {
      if ((this.#readOn() || isFirst) && isTrue(this.calls)) return true;
      await sleep(everyMs);
    }
    return false;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Whether there was anything new. */
  #readOn(): boolean {
    const before = this.calls.length;
    const file = openSync(this.#file, 'r');
    for (;;) {
      const length = readSync(file, this.#buffer, 0, this.#buffer.length, this.#read);
      if (length === 0) break;
      this.#read += length;
      this.#take(Buffer.concat([this.#rest, this.#buffer.subarray(0, length)]));
    }
    closeSync(file);
    return this.calls.length > before;
  }

  /** Half a line stays until its other half was written. */
  #take(bytes: Buffer): void {
    const end = bytes.lastIndexOf('\n') + 1;
    this.#rest = Buffer.from(bytes.subarray(end));
    const lines = bytes.subarray(0, end).toString().split('\n');
    for (const line of lines) if (line !== '') this.calls.push(parseAuditLine(line));
  }
}
