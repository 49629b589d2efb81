/** Prometheus metrics of one server, under vLLM's suffixes and its label; buckets reach to long contexts. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine } from './engine/engine.ts';

const secondsToFirstToken = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 640, 2560, 7200];
const secondsBetweenTokens = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.75, 1, 2.5, 5, 10];
const secondsOfRequest = [0.3, 1, 2.5, 5, 10, 30, 60, 120, 240, 480, 960, 1920, 7680];
const tokenCounts = [
  1, 10, 100, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
];

export interface RequestTiming {
  token(): void;
  end(finished: 'stop' | 'length' | 'abort', completionTokens: number, cachedTokens: number): void;
}

export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
  startRequest(promptTokens: number): RequestTiming;
}

export function createMetrics(modelName: string, engine: () => Engine | undefined): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ model_name: modelName });
  const registers = [registry];
  const gauge = (name: string, help: string, read: (engine: Engine) => number) =>
    new Gauge({
      name: `longpo_${name}`,
      help,
      registers,
      collect() {
        const current = engine();
        this.set(current ? read(current) : 0);
      },
    });
  gauge('num_requests_running', 'Requests that hold a KV slot.', (e) => e.stats().running);
  gauge('num_requests_waiting', 'Requests that wait for a KV slot.', (e) => e.stats().waiting);
  gauge('kv_cache_usage_perc', 'Share of the KV slots in use, 0 to 1.', (e) => {
    const { kvTokensUsed, kvTokensCapacity } = e.stats();
    return kvTokensCapacity === 0 ? 0 : kvTokensUsed / kvTokensCapacity;
  });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `longpo_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `longpo_${name}`, help, buckets, registers });
  const prompts = counter('prompt_tokens_total', 'Prompt tokens of finished requests.');
  const generated = counter('generation_tokens_total', 'Tokens generated.');
  const finishes = counter('request_success_total', 'Finished requests.', ['finished_reason']);
  const queries = counter('prefix_cache_queries_total', 'Prompt tokens looked up in the slots.');
  const hits = counter('prefix_cache_hits_total', 'Prompt tokens that a slot had already.');
  const first = histogram(
    'time_to_first_token_seconds',
    'From the request to its first token.',
    secondsToFirstToken,
  );
  const between = histogram('inter_token_latency_seconds', 'Between two tokens.', secondsBetweenTokens);
  const whole = histogram(
    'e2e_request_latency_seconds',
    'From the request to its last token.',
    secondsOfRequest,
  );
  const promptSize = histogram('request_prompt_tokens', 'Prompt tokens of a request.', tokenCounts);
  const answerSize = histogram('request_generation_tokens', 'Generated tokens of a request.', tokenCounts);

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    startRequest(promptTokens) {
      const started = performance.now();
      let last: number | undefined;
      return {
        token() {
          const now = performance.now();
          if (last === undefined) first.observe((now - started) / 1000);
          else between.observe((now - last) / 1000);
          last = now;
          generated.inc();
        },
        end(finished, completionTokens, cachedTokens) {
          finishes.inc({ finished_reason: finished });
          prompts.inc(promptTokens);
          queries.inc(promptTokens);
          hits.inc(cachedTokens);
          whole.observe((performance.now() - started) / 1000);
          promptSize.observe(promptTokens);
          answerSize.observe(completionTokens);
        },
      };
    },
  };
}
