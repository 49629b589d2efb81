/** Request bodies: the fields that are honoured. Unknown ones are ignored, as clients send many. */
import * as z from 'zod';
import { ApiError } from './errors.ts';

const maxStops = 4;
const maxTopLogprobs = 20;

const n = z.literal(1, { error: 'only n = 1 is served; send several requests' }).nullish();

const sampling = {
  model: z.string(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(maxStops)]).nullish(),
  ignore_eos: z.boolean().nullish(),
  n,
};

const contentPart = z.object({ type: z.literal('text'), text: z.string() });

export const chatRequest = z.object({
  ...sampling,
  messages: z
    .array(
      z.object({
        role: z.enum(['system', 'user', 'assistant', 'tool']),
        content: z.union([
          z.string(),
          z.array(contentPart).transform((parts) => parts.map(({ text }) => text).join('')),
        ]),
      }),
    )
    .min(1),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
});

export const completionRequest = z.object({
  ...sampling,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1),
    z.array(z.int()).min(1),
    z.array(z.array(z.int()).min(1)).min(1),
  ]),
  max_tokens: z.int().min(1).nullish(),
  logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
  // An echo that is ignored lets lm-eval score chance without an error.
  echo: z.literal(false, { error: 'echo is not supported' }).nullish(),
});

export type ChatRequest = z.infer<typeof chatRequest>;
export type CompletionRequest = z.infer<typeof completionRequest>;

export function parseRequest<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  throw new ApiError(400, {
    code: 'invalid_request',
    ...(param === '' ? {} : { param }),
    message:
      param === '' ? `The body must be a JSON object: ${issue?.message}` : `${param}: ${issue?.message}`,
  });
}
