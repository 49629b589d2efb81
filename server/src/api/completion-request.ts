/** The body of POST /v1/completions. Unknown fields are ignored, as clients send many. */
import * as z from 'zod';
import type { RequestLimits } from './limits.ts';
import { maxTopLogprobs, newTokens, samplingFields } from './sampling-fields.ts';

type Prompt = string | number[] | (string | number[])[];

const isTokenIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger);
const isPromptText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** By hand: a context of token ids has half a million numbers, and a union would try each kind on all of them. */
function isPrompt(value: unknown): value is Prompt {
  if (isPromptText(value) || isTokenIds(value)) return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every(isPromptText) || value.every(isTokenIds);
}

const text = { type: 'string', minLength: 1 };
const tokenIds = { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 1 };
const several = (items: object) => ({ type: 'array', items, minItems: 1 });

export const completionRequest = (limits: RequestLimits) =>
  z
    .object({
      ...samplingFields(limits),
      prompt: z
        .custom<Prompt>(isPrompt, {
          error: 'must be a string, token ids, or an array of one of the two, and none of them empty',
        })
        .meta({
          anyOf: [text, tokenIds, several(text), several(tokenIds)],
          description: 'Taken as it is: no token is added to text or ids.',
        }),
      max_tokens: newTokens(0, limits).nullish().describe('0 needs echo.'),
      logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
      echo: z.boolean().nullish().describe('The answer begins with the prompt; so do its logprobs.'),
      best_of: z.int().nullish(),
      suffix: z.null({ error: 'is not supported; leave it out' }).optional(),
    })
    .refine(({ max_tokens, echo }) => max_tokens !== 0 || echo === true, {
      path: ['max_tokens'],
      error: 'must be at least 1 without echo',
    })
    .refine(({ min_tokens, max_tokens }) => (min_tokens ?? 0) <= (max_tokens ?? Number.POSITIVE_INFINITY), {
      path: ['min_tokens'],
      error: 'must not be more than max_tokens',
    })
    .refine(({ best_of, n }) => best_of == null || best_of === (n ?? 1), {
      path: ['best_of'],
      error: 'must equal n: every answer is given',
    });

export type CompletionRequest = z.infer<ReturnType<typeof completionRequest>>;

/** Every prompt of a completion request, as it came. */
export function promptsOf({ prompt }: CompletionRequest): (string | number[])[] {
  if (typeof prompt === 'string' || isTokenIds(prompt)) return [prompt];
  return prompt as (string | number[])[];
}
