/** The series that vLLM has too, once more under its prefix: for boards and gateways that were made for it. */
import { prefix } from './metrics-buckets.ts';

const shared: ReadonlySet<string> = new Set([
  'num_requests_running',
  'num_requests_waiting',
  'kv_cache_usage_perc',
  'prompt_tokens_total',
  'generation_tokens_total',
  'prefix_cache_queries_total',
  'prefix_cache_hits_total',
  'spec_decode_num_draft_tokens_total',
  'spec_decode_num_accepted_tokens_total',
  'request_success_total',
  'time_to_first_token_seconds',
  'inter_token_latency_seconds',
  'request_time_per_output_token_seconds',
  'e2e_request_latency_seconds',
  'request_queue_time_seconds',
  'request_prefill_time_seconds',
  'request_decode_time_seconds',
  'request_prompt_tokens',
  'request_generation_tokens',
]);

/** `text` is in Prometheus' format: for each metric a line HELP, a line TYPE, then its samples. */
export function withVllmNames(text: string): string {
  const blocks = text.split(/^(?=# HELP )/m).map((block) => `${block.trimEnd()}\n`);
  const copies = blocks.filter((block) => shared.has(nameOf(block))).map(renamed);
  return [...blocks, ...copies].join('');
}

const nameOf = (block: string): string => block.split(' ', 3)[2]?.replace(prefix, '') ?? '';

const ownNames = new RegExp(`^(# (?:HELP|TYPE) )?${prefix}`, 'gm');
const renamed = (block: string): string => block.replaceAll(ownNames, '$1vllm:');
