/** Request bodies: the fields that are honoured. Unknown ones are ignored, as clients send many. */
import * as z from 'zod';
import { invalidRequest } from './errors.ts';

const maxStops = 32;
const maxTopLogprobs = 20;
const maxTemperature = 2;

const tokenLimit = z.int().min(1).nullish();

const sampling = {
  model: z.string(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(maxTemperature).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union([z.string(), z.array(z.string()).max(maxStops)], {
      error: `must be a string or at most ${maxStops} strings`,
    })
    .nullish(),
  max_tokens: tokenLimit,
  ignore_eos: z.boolean().nullish(),
  n: z.literal(1, { error: 'only n = 1 is served; send several requests' }).nullish(),
};

const contentPart = z.object({ type: z.literal('text'), text: z.string() });

const message = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.union(
    [z.string(), z.array(contentPart).transform((parts) => parts.map(({ text }) => text).join(''))],
    { error: 'must be a string or an array of text parts' },
  ),
});

export const chatRequest = z
  .object({
    ...sampling,
    messages: z.array(message).min(1),
    max_completion_tokens: tokenLimit,
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
  })
  .refine(({ logprobs, top_logprobs }) => logprobs === true || !top_logprobs, {
    path: ['top_logprobs'],
    error: 'needs logprobs to be true',
  });

const isTokenIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);
const isPromptText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** By hand: a context of token ids has half a million numbers, and a union would try each kind on all of them. */
function isPrompt(value: unknown): value is string | number[] | (string | number[])[] {
  if (isPromptText(value) || isTokenIds(value)) return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every(isPromptText) || value.every(isTokenIds);
}

export const completionRequest = z.object({
  ...sampling,
  prompt: z.custom<string | number[] | (string | number[])[]>(isPrompt, {
    error: 'must be a string, token ids, or an array of one of the two, and none of them empty',
  }),
  logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
  // An echo that is ignored lets lm-eval score chance without an error.
  echo: z.literal(false, { error: 'echo is not supported; leave it out' }).nullish(),
});

export type ChatRequest = z.infer<typeof chatRequest>;
export type CompletionRequest = z.infer<typeof completionRequest>;

/** Every prompt of a completion request, as it came. */
export function promptsOf({ prompt }: CompletionRequest): (string | number[])[] {
  if (typeof prompt === 'string' || isTokenIds(prompt)) return [prompt];
  return prompt as (string | number[])[];
}

export interface Sampling {
  /** null is all that fits. */
  readonly maxTokens: number | null;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed: number | null;
  readonly stop: string | readonly string[] | null;
  readonly ignoreEos: boolean;
  readonly topLogprobs: number | null;
}

/** OpenAI's defaults; -1 is vLLM's way to switch top_k off. */
export function samplingOf(
  request: ChatRequest | CompletionRequest,
): Omit<Sampling, 'maxTokens' | 'topLogprobs'> {
  return {
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: Math.max(request.top_k ?? 0, 0),
    seed: request.seed ?? null,
    stop: request.stop ?? null,
    ignoreEos: request.ignore_eos ?? false,
  };
}

/** Numbers may be shown again, text may be somebody's document. */
const shown = (input: unknown): string =>
  typeof input === 'number' || typeof input === 'boolean' || input === null ? ` (it is ${input})` : '';

export function parseRequest<T>(schema: z.ZodType<T>, text: string): T {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidRequest(`The body is not JSON: ${reason}`, undefined, 'invalid_json');
  }
  const parsed = schema.safeParse(body, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue?.path.join('.') ?? '';
  if (param === '') throw invalidRequest('The body must be a JSON object.');
  throw invalidRequest(`${param}: ${issue?.message}${shown(issue?.input)}`, param);
}
