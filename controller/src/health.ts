/**
 * Whether this process works (/healthz: else it is started again) and whether it knows the cluster (/readyz: else no
 * report is sent to it). Both list what is wrong, one line each.
 */
import { Hono } from 'hono';
import type { Metrics } from './metrics/metrics.ts';
import type { WorkQueue } from './watch/work-queue.ts';

export interface HealthOptions {
  stuckAfterMs: number;
  /** The event loop stood still for so long. */
  lagLimitMs?: number;
  nowMs?(): number;
}

const beatMs = 1000;

export class Health {
  readonly #options: Required<HealthOptions>;
  readonly #queues = new Map<string, WorkQueue>();
  /** What the process still waits for before it is ready. */
  readonly #missing = new Set<string>();
  readonly #beat: NodeJS.Timeout;
  #beatAt: number;

  constructor(options: HealthOptions) {
    this.#options = { lagLimitMs: 20_000, nowMs: () => performance.now(), ...options };
    this.#beatAt = this.#options.nowMs();
    this.#beat = setInterval(() => this.beat(), beatMs).unref();
  }

  /** The event loop has come round. */
  beat(): void {
    this.#beatAt = this.#options.nowMs();
  }

  shows(kind: string, queue: WorkQueue): void {
    this.#queues.set(kind, queue);
  }

  /** Not ready until the returned function is called. */
  awaits(what: string): () => void {
    this.#missing.add(what);
    return () => this.#missing.delete(what);
  }

  problems(): string[] {
    const { stuckAfterMs, lagLimitMs, nowMs } = this.#options;
    const lagMs = nowMs() - this.#beatAt - beatMs;
    const stuck = [...this.#queues].filter(([, queue]) => queue.longestRunningMs > stuckAfterMs);
    return [
      ...(lagMs > lagLimitMs ? [`the event loop stood still for ${Math.round(lagMs / 1000)} s`] : []),
      ...stuck.map(([kind]) => `a reconcile of ${kind} has run for more than ${stuckAfterMs / 1000} s`),
    ];
  }

  missing(): string[] {
    return [...this.#missing].map((what) => `waits for ${what}`);
  }

  stop(): void {
    clearInterval(this.#beat);
  }
}

export function createStatusServer(health: Health, metrics: Metrics): Hono {
  const app = new Hono();
  const answer = (problems: string[]) =>
    new Response(`${problems.join('\n') || 'ok'}\n`, { status: problems.length === 0 ? 200 : 503 });
  app.get('/healthz', () => answer(health.problems()));
  app.get('/readyz', () => answer([...health.missing(), ...health.problems()]));
  app.get('/metrics', async (c) =>
    c.body(await metrics.render(), 200, { 'content-type': metrics.contentType }),
  );
  return app;
}
