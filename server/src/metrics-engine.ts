/** What the engine knows by itself, read when it is asked for. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Engine, EngineStats } from './engine/engine.ts';
import { prefix } from './metrics-buckets.ts';

export function engineMetrics(registry: Registry, engine: () => Engine | undefined): void {
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
  gauge('num_requests_running', 'Requests that hold a KV slot.', (s) => s.running);
  gauge('num_requests_waiting', 'Requests that wait for a KV slot.', (s) => s.waiting);
  gauge('num_tokens_waiting', 'Prompt tokens of the waiting requests.', (s) => s.queuedTokens);
  gauge('decode_batch_size', 'Sequences of the last decode step.', (s) => s.batchSize);
  gauge('kv_cache_usage_perc', 'Share of the KV slots that holds tokens, 0 to 1.', (s) =>
    s.kvTokensCapacity === 0 ? 0 : s.kvTokensUsed / s.kvTokensCapacity,
  );
  gauge('kv_cache_tokens', 'Tokens in the KV slots.', (s) => s.kvTokensUsed);
  labelledGauge(registry, engine, kvBytes);
  gauge(
    'kv_cache_reserved_bytes',
    'What running requests may grow to, and kept prefixes.',
    (s) => s.kvBytesReserved,
  );
  total('prompt_tokens_total', 'Prompt tokens of admitted requests.', (s) => s.promptTokens);
  total('prefill_tokens_total', 'Prompt tokens that were computed, not reused.', (s) => s.prefillTokens);
  total('generation_tokens_total', 'Tokens generated.', (s) => s.generationTokens);
  total('prefix_cache_queries_total', 'Prompt tokens looked up in the slots.', (s) => s.prefixCacheQueries);
  total('prefix_cache_hits_total', 'Prompt tokens that a slot held already.', (s) => s.prefixCacheHits);
  total('prefix_cache_evictions_total', 'Kept prefixes dropped for another request.', (s) => s.evictions);
  total('spec_decode_num_draft_tokens_total', 'Tokens that prompt lookup proposed.', (s) => s.draftTokens);
  total(
    'spec_decode_num_accepted_tokens_total',
    'Proposed tokens that the model agreed to.',
    (s) => s.draftAccepted,
  );
  labelledGauge(registry, engine, modelInfo);
}

interface LabelledGauge {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly samples: (model: Engine) => [labels: Record<string, string>, value: number][];
}

/** Without samples until there is a model. */
function labelledGauge(
  registry: Registry,
  engine: () => Engine | undefined,
  { name, help, labelNames, samples }: LabelledGauge,
): void {
  new Gauge({
    name: `${prefix}${name}`,
    help,
    labelNames,
    registers: [registry],
    collect() {
      const model = engine();
      for (const [labels, value] of model ? samples(model) : []) this.set(labels, value);
    },
  });
}

/** Of the tokens in the slots, and of the prefixes that outlive the process. */
const kvBytes: LabelledGauge = {
  name: 'kv_cache_bytes',
  help: 'Keys and values: in memory of the tokens in the KV slots, on disk of the kept prefixes.',
  labelNames: ['tier', 'dtype'],
  samples(model) {
    const { kvBytesUsed, kvBytesOnDisk } = model.stats();
    return [
      [{ tier: 'ram', dtype: model.kvType }, kvBytesUsed],
      [{ tier: 'disk', dtype: model.kvType }, kvBytesOnDisk],
    ];
  },
};

const modelInfo: LabelledGauge = {
  name: 'model_info',
  help: 'The served model; always 1.',
  labelNames: ['digest', 'max_model_len'],
  samples: ({ digest, maxModelLen }) => [[{ digest, max_model_len: String(maxModelLen) }, 1]],
};
