import type { Tokenizer } from '@longpo/tokens';
import { beforeAll, expect, it } from 'vitest';
import { byteTokenizer, testApp } from './api/fixture.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await byteTokenizer();
});

/** Samples of our own metrics without the buckets, by name and labels. */
async function samples(app: ReturnType<typeof testApp>['app']): Promise<Record<string, number>> {
  const text = await (await app.request('/metrics')).text();
  const lines = text.split('\n').filter((line) => line.startsWith('longpo_') && !line.includes('_bucket{'));
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', value] = line.split(' ');
      return [name.replace(/,model_name="tiny"|model_name="tiny",?/, '').replace('{}', ''), Number(value)];
    }),
  );
}

it('counts requests, tokens, cache hits and cancels under the names of vLLM', async () => {
  const { app, chat, complete, engine } = testApp(tokenizer, 'abc');
  engine.cachedTokens = 4;
  await chat({});
  await complete({ prompt: 'Hello', max_tokens: 2 });
  await complete({ prompt: '', max_tokens: 2 });
  const client = new AbortController();
  engine.beforeToken = () => {
    client.abort();
    return undefined;
  };
  await complete({ prompt: 'Hello' }, { signal: client.signal });
  expect(await samples(app)).toMatchObject({
    longpo_num_requests_running: 1,
    longpo_num_requests_waiting: 2,
    longpo_kv_cache_usage_perc: 0.25,
    'longpo_kv_cache_bytes{tier="ram",dtype="f32"}': 5000,
    'longpo_kv_cache_bytes{tier="disk",dtype="f32"}': 7000,
    longpo_prompt_tokens_total: 31,
    longpo_generation_tokens_total: 5,
    longpo_prefix_cache_queries_total: 31,
    longpo_prefix_cache_hits_total: 12,
    'longpo_request_success_total{finished_reason="stop"}': 1,
    'longpo_request_success_total{finished_reason="length"}': 1,
    'longpo_request_success_total{finished_reason="abort"}': 1,
    'longpo_request_cancelled_total{phase="prefill"}': 1,
    longpo_time_to_first_token_seconds_count: 2,
    longpo_inter_token_latency_seconds_count: 3,
    longpo_request_time_per_output_token_seconds_count: 2,
    longpo_e2e_request_latency_seconds_count: 3,
    longpo_request_queue_time_seconds_count: 3,
    longpo_request_prefill_time_seconds_count: 2,
    longpo_request_decode_time_seconds_count: 2,
    longpo_request_prompt_tokens_sum: 31,
    longpo_request_generation_tokens_sum: 5,
  });
});

it('counts an answer that failed as neither stop nor length', async () => {
  const { app, chat, engine } = testApp(tokenizer, 'abc');
  engine.beforeToken = () => Promise.reject(new Error('out of memory'));
  await chat({});
  const found = Object.entries(await samples(app)).filter(([name]) => name.includes('request_success'));
  expect(found).toEqual([['longpo_request_success_total{finished_reason="error"}', 1]]);
});

it('has the series that vLLM has under its names too where that is asked for', async () => {
  const { app, complete } = testApp(tokenizer, 'abc', { vllmNames: true });
  await complete({ prompt: 'Hello', max_tokens: 2 });
  const text = await (await app.request('/metrics')).text();
  const block = (name: string) => text.slice(text.indexOf(`# HELP ${name} `)).split(/\n(?=# HELP )/)[0] ?? '';
  const own = block('longpo_time_to_first_token_seconds');
  expect(own).toContain('\nlongpo_time_to_first_token_seconds_count{model_name="tiny"} 1');
  expect(block('vllm:time_to_first_token_seconds').trimEnd()).toBe(
    own.replaceAll('longpo_time', 'vllm:time').trimEnd(),
  );
  expect(text.match(/^vllm:kv_cache_bytes/m)).toBeNull();
  expect(text.match(/\n\n/)).toBeNull();
});

it('carries the process metrics and the label of the model on every sample', async () => {
  const { app } = testApp(tokenizer, 'abc');
  const response = await app.request('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.filter((line) => !line.includes('model_name="tiny"'))).toEqual([]);
  expect(lines.some((line) => line.startsWith('process_resident_memory_bytes'))).toBe(true);
});

it('says why requests were turned away, how long the model ran, and which routes were asked', async () => {
  const { app, chat, complete, readyState } = testApp(tokenizer, 'abc');
  const { metrics } = readyState.model;
  metrics.step({ phase: 'prefill', seconds: 0.5, tokens: 256, sequences: 1 });
  metrics.step({ phase: 'decode', seconds: 0.25, tokens: 2, sequences: 2 });
  await chat({});
  await complete({ prompt: 'a', max_tokens: 1_000_000 });
  await app.request('/somebody/elses/path');
  expect(await samples(app)).toMatchObject({
    'longpo_admission_rejections_total{reason="prompt_too_long"}': 1,
    'longpo_session_run_seconds_sum{phase="prefill"}': 0.5,
    'longpo_session_run_seconds_sum{phase="decode"}': 0.25,
    longpo_prefill_chunk_seconds_sum: 0.5,
  });
  const text = await (await app.request('/metrics')).text();
  const requests = [...text.matchAll(/^http_requests_total\{(.*),model_name="tiny"\} (\d+)$/gm)];
  expect(requests.map(([, labels, count]) => [labels, count])).toEqual([
    ['handler="/v1/chat/completions",method="POST",status="2xx"', '1'],
    ['handler="/v1/completions",method="POST",status="4xx"', '1'],
    ['handler="/*",method="GET",status="4xx"', '1'],
  ]);
});
