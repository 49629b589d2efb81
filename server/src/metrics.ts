/** Prometheus metrics of one server, under vLLM's suffixes and its label; buckets reach to long contexts. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine, StepRecord } from './engine/engine.ts';
import { prefix, secondsOfStep } from './metrics-buckets.ts';
import { engineMetrics } from './metrics-engine.ts';
import { processMetrics } from './metrics-process.ts';
import { requestMetrics } from './metrics-requests.ts';
import { withVllmNames } from './metrics-vllm-names.ts';
import { RequestTimer } from './request-timer.ts';

/** Gauges with the suffix of counters, which `promtool check metrics` refuses; each is there without it, by type. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Why a request was turned away before it ran. */
export type Rejection = 'queue_full' | 'prompt_too_long' | 'invalid';

export interface HttpRecord {
  /** The route, never the path that a client wrote. */
  readonly handler: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
  /** The model answers, so many seconds after the start. */
  loaded(seconds: number): void;
  /** A request has reached the engine. */
  startRequest(promptTokens: number): RequestTimer;
  reject(reason: Rejection): void;
  /** The model has run. */
  step(record: StepRecord): void;
  http(record: HttpRecord): void;
}

export interface MetricsOptions {
  /** The series that vLLM has too appear under its names as well. */
  readonly vllmNames?: boolean;
}

export function createMetrics(
  modelName: string,
  engine: () => Engine | undefined,
  { vllmNames = false }: MetricsOptions = {},
): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ model_name: modelName });
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  engineMetrics(registry, engine);
  processMetrics(registry);
  const loadSeconds = new Gauge({
    name: `${prefix}model_load_seconds`,
    help: 'From the start to the first answer: reading, checking, quantising, warming up.',
    registers: [registry],
  });
  const rejections = new Counter({
    name: `${prefix}admission_rejections_total`,
    help: 'Requests that were turned away before they ran.',
    labelNames: ['reason'],
    registers: [registry],
  });
  const observer = requestMetrics(registry);
  return {
    contentType: registry.contentType,
    render: async () => {
      const text = await registry.metrics();
      return vllmNames ? withVllmNames(text) : text;
    },
    loaded: (seconds) => loadSeconds.set(seconds),
    startRequest: (promptTokens) => new RequestTimer(promptTokens, observer),
    reject: (reason) => rejections.inc({ reason }),
    step: stepMetrics(registry),
    http: httpMetrics(registry),
  };
}

function stepMetrics(registry: Registry): Metrics['step'] {
  const registers = [registry];
  const runs = new Histogram({
    name: `${prefix}session_run_seconds`,
    help: 'One run of the model.',
    labelNames: ['phase'],
    buckets: secondsOfStep,
    registers,
  });
  const chunks = new Histogram({
    name: `${prefix}prefill_chunk_seconds`,
    help: 'One chunk of a prompt: the longest that a decode waits.',
    buckets: secondsOfStep,
    registers,
  });
  return ({ phase, seconds }) => {
    runs.observe({ phase }, seconds);
    if (phase === 'prefill') chunks.observe(seconds);
  };
}

/** Under the names that Prometheus boards for HTTP services know, without a prefix, as vLLM has them. */
function httpMetrics(registry: Registry): Metrics['http'] {
  const registers = [registry];
  const labelNames = ['handler', 'method', 'status'];
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'HTTP requests that were answered.',
    labelNames,
    registers,
  });
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'HTTP request to the last byte of its answer.',
    labelNames: ['handler', 'method'],
    buckets: [0.01, 0.1, 1, 10, 100, 1000],
    registers,
  });
  return ({ handler, method, status, seconds }) => {
    requests.inc({ handler, method, status: `${Math.floor(status / 100)}xx` });
    duration.observe({ handler, method }, seconds);
  };
}
