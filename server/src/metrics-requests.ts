/** One observer for what the timers of all requests see. */
import { Counter, Histogram, type Registry } from 'prom-client';
import {
  prefix,
  secondsOfRequest,
  secondsPerToken,
  secondsToFirstToken,
  tokenBuckets,
} from './metrics-buckets.ts';
import type { Outcome, RequestObserver } from './request-timer.ts';

export function requestMetrics(registry: Registry): RequestObserver {
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
