/** The fields that both endpoints take, and what they come to in the engine. */
import * as z from 'zod';
import type { SamplingSettings } from '../engine/sampling/settings.ts';
import type { RequestLimits } from './limits.ts';
import { grammarOf, responseFormat, structuredOutputs } from './response-format.ts';

const maxTemperature = 2;
const maxPenalty = 2;
const maxBias = 100;
export const maxTopLogprobs = 20;

const tokenId = z.int().min(0);

/** At most what the operator of the server allows, which is more than the model may hold. */
export function newTokens(minimum: number, { newTokens: limit }: RequestLimits) {
  const count = z.int().min(minimum);
  return limit === null ? count : count.max(limit, { error: `this server gives at most ${limit} tokens` });
}

const penalty = z.number().min(-maxPenalty).max(maxPenalty).nullish();

export function samplingFields(limits: RequestLimits) {
  const { stops, choices } = limits;
  return {
    model: z.string().describe('The name that GET /v1/models shows.'),
    stream: z.boolean().nullish(),
    stream_options: z
      .object({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
      .nullish(),
    n: z.int().min(1).max(choices).nullish().describe('Answers to each prompt.'),
    temperature: z.number().min(0).max(maxTemperature).nullish().describe('0 is greedy; 1 if left out.'),
    top_p: z.number().gt(0).max(1).nullish(),
    top_k: z.int().min(-1).nullish().describe('0 and -1 are off.'),
    min_p: z.number().min(0).max(1).nullish(),
    repetition_penalty: z.number().gt(0).max(10).nullish().describe('Of prompt and answer; 1 is off.'),
    presence_penalty: penalty,
    frequency_penalty: penalty,
    logit_bias: z
      .record(z.string().regex(/^\d{1,9}$/, 'must be a token id'), z.number().min(-maxBias).max(maxBias))
      .nullish()
      .describe('Token id to what is added to its logit.'),
    seed: z.int().nullish().describe('The same seed gives the same text; choice i of n takes seed + i.'),
    stop: z
      .union([z.string(), z.array(z.string()).max(stops)], {
        error: `must be a string or at most ${stops} strings`,
      })
      .nullish()
      .describe('The answer ends before the first of these; no part of it is shown.'),
    stop_token_ids: z.array(tokenId).max(stops).nullish(),
    min_tokens: z.int().min(0).nullish().describe('No end of text and no stop token before so many tokens.'),
    ignore_eos: z.boolean().nullish(),
    response_format: responseFormat.nullish(),
    structured_outputs: structuredOutputs.nullish().describe("vLLM's name for the same."),
  };
}

type SamplingFields = z.infer<z.ZodObject<ReturnType<typeof samplingFields>>>;

/** All of GenerateRequest that the two endpoints read alike. */
export type CommonSampling = Omit<SamplingSettings, 'topLogprobs' | 'promptLogprobs'> & {
  readonly stop: string | readonly string[] | null;
};

/** OpenAI's defaults; -1 is vLLM's way to switch top_k off. */
export function samplingOf(request: SamplingFields): CommonSampling {
  return {
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: Math.max(request.top_k ?? 0, 0),
    minP: request.min_p ?? 0,
    repetitionPenalty: request.repetition_penalty ?? 1,
    presencePenalty: request.presence_penalty ?? 0,
    frequencyPenalty: request.frequency_penalty ?? 0,
    logitBias: new Map(Object.entries(request.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias])),
    minTokens: request.min_tokens ?? 0,
    seed: request.seed ?? null,
    stop: request.stop ?? null,
    stopTokenIds: request.stop_token_ids ?? [],
    ignoreEos: request.ignore_eos ?? false,
    grammar: grammarOf(request),
  };
}
