/** Prometheus metrics of one replica: the registry, and what the parts of the operator call to be counted. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ReflectorObserver } from '../kubernetes/reflector.ts';
import type { CallRecord } from '../kubernetes/transport.ts';
import type { ReportOutcome } from '../progress/endpoint.ts';
import type { QueueObserver, WorkQueue } from '../watch/work-queue.ts';
import type { Census } from './census.ts';
import { createCensus } from './census-gauges.ts';
import { watchGauges } from './watch-gauges.ts';

const prefix = 'longpo_';
const callSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const reconcileSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600];

export interface MetricsOptions {
  isLeader(): boolean;
  /** Monotonic. */
  nowMs?(): number;
}

export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
  /** Told of every training and serving. */
  readonly census: Census;
  onCall(record: CallRecord): void;
  onReport(outcome: ReportOutcome): void;
  watchOf(kind: string): ReflectorObserver;
  /** The observer for the queue of a kind; `shows` names the queue whose state is read. */
  queueOf(kind: string): QueueObserver & { shows(queue: WorkQueue): void };
}

export function createMetrics({ isLeader, nowMs = () => performance.now() }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: `${prefix}leader`,
    help: '1 on the replica that reconciles.',
    registers,
    collect() {
      this.set(isLeader() ? 1 : 0);
    },
  });
  const reports = new Counter({
    name: `${prefix}progress_reports_total`,
    help: 'Progress reports by what became of them.',
    labelNames: ['outcome'],
    registers,
  });
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    census: createCensus(registry, isLeader),
    onCall: callMetrics(registry),
    onReport: (outcome) => reports.inc({ outcome }),
    watchOf: watchGauges(registry, nowMs),
    queueOf: queueMetrics(registry),
  };
}

function callMetrics(registry: Registry): (record: CallRecord) => void {
  const registers = [registry];
  const requests = new Counter({
    name: `${prefix}api_requests_total`,
    help: 'Attempts of calls to the API server by verb and status class; none: no answer came.',
    labelNames: ['verb', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: `${prefix}api_request_duration_seconds`,
    help: 'Until the answer was read; of a watch, until it was open.',
    labelNames: ['verb'],
    buckets: callSeconds,
    registers,
  });
  return ({ verb, status, durationMs }) => {
    requests.inc({ verb, status: status === 0 ? 'none' : `${Math.floor(status / 100)}xx` });
    seconds.observe({ verb }, durationMs / 1000);
  };
}

function queueMetrics(registry: Registry): Metrics['queueOf'] {
  const registers = [registry];
  const labelNames = ['kind'];
  const queues = new Map<string, WorkQueue>();
  const counter = (name: string, help: string, names = labelNames) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames: names, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `${prefix}${name}`, help, labelNames, buckets: reconcileSeconds, registers });
  const gauge = (name: string, help: string, read: (queue: WorkQueue) => number) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      labelNames,
      registers,
      collect() {
        for (const [kind, queue] of queues) this.set({ kind }, read(queue));
      },
    });
  const reconciles = counter('reconciles_total', 'Reconciles by result.', ['kind', 'result']);
  const seconds = histogram('reconcile_duration_seconds', 'One reconcile.');
  const waits = histogram('queue_latency_seconds', 'From the event to the worker.');
  const retries = counter('queue_retries_total', 'Failed keys put back.');
  gauge('queue_depth', 'Keys that wait for a worker.', (queue) => queue.depth);
  gauge(
    'queue_longest_running_seconds',
    'The reconcile that runs longest now.',
    (queue) => queue.longestRunningMs / 1000,
  );
  return (kind) => ({
    shows: (queue) => void queues.set(kind, queue),
    onTaken: (waitedMs) => waits.observe({ kind }, waitedMs / 1000),
    onRetry: () => retries.inc({ kind }),
    onDone(result, durationMs) {
      reconciles.inc({ kind, result });
      seconds.observe({ kind }, durationMs / 1000);
    },
  });
}
