/** Prometheus metrics of one server, under vLLM's suffixes and its label; buckets reach to long contexts. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine, EngineStats } from './engine/engine.ts';
import { type Outcome, type RequestObserver, RequestTimer } from './request-timer.ts';

const prefix = 'longpo_';
const secondsToFirstToken = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 640, 2560, 7200];
const secondsPerToken = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.75, 1, 2.5, 5, 10];
const secondsOfRequest = [0.05, 0.1, 0.3, 1, 2.5, 5, 10, 30, 60, 120, 240, 480, 960, 1920, 7680];
const tokenCounts = [1, 2, 5].flatMap((step) => [1, 10, 100, 1e3, 1e4, 1e5].map((base) => step * base));
const tokenBuckets = [...tokenCounts, 1e6].toSorted((a, b) => a - b);

export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
  /** The model answers, so many seconds after the start. */
  loaded(seconds: number): void;
  /** A request has reached the engine. */
  startRequest(promptTokens: number): RequestTimer;
}

export function createMetrics(modelName: string, engine: () => Engine | undefined): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ model_name: modelName });
  collectDefaultMetrics({ register: registry });
  engineMetrics(registry, engine);
  const loadSeconds = new Gauge({
    name: `${prefix}model_load_seconds`,
    help: 'From the start to the first answer: reading, checking, quantising, warming up.',
    registers: [registry],
  });
  const observer = requestMetrics(registry);
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    loaded: (seconds) => loadSeconds.set(seconds),
    startRequest: (promptTokens) => new RequestTimer(promptTokens, observer),
  };
}

/** What the engine knows by itself, read when it is asked for. */
function engineMetrics(registry: Registry, engine: () => Engine | undefined): void {
  const read = (value: (stats: EngineStats) => number): number => {
    const stats = engine()?.stats();
    return stats ? value(stats) : 0;
  };
  const gauge = (name: string, help: string, value: (stats: EngineStats) => number) =>
    new Gauge({
      name: `${prefix}${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read(value));
      },
    });
  const total = (name: string, help: string, value: (stats: EngineStats) => number) =>
    new Counter({
      name: `${prefix}${name}`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read(value));
      },
    });
  gauge('num_requests_running', 'Requests that hold a KV slot.', (stats) => stats.running);
  gauge('num_requests_waiting', 'Requests that wait for a KV slot.', (stats) => stats.waiting);
  gauge('kv_cache_usage_perc', 'Share of the KV slots that holds tokens, 0 to 1.', (stats) =>
    stats.kvTokensCapacity === 0 ? 0 : stats.kvTokensUsed / stats.kvTokensCapacity,
  );
  total('prompt_tokens_total', 'Prompt tokens of admitted requests.', (stats) => stats.promptTokens);
  total('generation_tokens_total', 'Tokens generated.', (stats) => stats.generationTokens);
  total('prefix_cache_queries_total', 'Prompt tokens looked up in the slots.', (s) => s.prefixCacheQueries);
  total('prefix_cache_hits_total', 'Prompt tokens that a slot held already.', (s) => s.prefixCacheHits);
}

/** One observer for what the timers of all requests see. */
function requestMetrics(registry: Registry): RequestObserver {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `${prefix}${name}`, help, buckets, registers });
  const finishes = counter('request_success_total', 'Ended requests.', ['finished_reason']);
  const cancels = counter('request_cancelled_total', 'Requests whose client went away.', ['phase']);
  const first = histogram('time_to_first_token_seconds', 'Request to first token.', secondsToFirstToken);
  const between = histogram('inter_token_latency_seconds', 'Between two tokens.', secondsPerToken);
  const mean = histogram(
    'request_time_per_output_token_seconds',
    'Mean time between the tokens of a request.',
    secondsPerToken,
  );
  const whole = histogram('e2e_request_latency_seconds', 'Request to last token.', secondsOfRequest);
  const queue = histogram('request_queue_time_seconds', 'Request to KV slot.', secondsToFirstToken);
  const prefill = histogram('request_prefill_time_seconds', 'KV slot to first token.', secondsToFirstToken);
  const decode = histogram('request_decode_time_seconds', 'First to last token.', secondsOfRequest);
  const promptSize = histogram('request_prompt_tokens', 'Prompt tokens of a request.', tokenBuckets);
  const answerSize = histogram('request_generation_tokens', 'Tokens generated for a request.', tokenBuckets);
  const end = (outcome: Outcome): void => {
    finishes.inc({ finished_reason: outcome.reason });
    if (outcome.reason === 'abort') cancels.inc({ phase: outcome.phase });
    promptSize.observe(outcome.promptTokens);
    answerSize.observe(outcome.completionTokens);
    whole.observe(outcome.whole);
    if (outcome.queue !== undefined) queue.observe(outcome.queue);
    if (outcome.prefill !== undefined) prefill.observe(outcome.prefill);
    if (outcome.decode === undefined) return;
    decode.observe(outcome.decode);
    if (outcome.completionTokens > 1) mean.observe(outcome.decode / (outcome.completionTokens - 1));
  };
  return {
    firstToken: (seconds) => first.observe(seconds),
    nextToken: (seconds) => between.observe(seconds),
    end,
  };
}
