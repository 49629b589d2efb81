/** What the endpoints answer, for the OpenAPI document; tests hold the answers to it. */
import * as z from 'zod';

export const errorResponse = z.object({
  error: z.object({
    message: z.string(),
    type: z.enum(['invalid_request_error', 'rate_limit_error', 'server_error']),
    param: z.string().nullable().describe('The field that is wrong.'),
    code: z.string(),
  }),
});

const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({
    cached_tokens: z.int().describe('Prompt tokens whose keys and values were there already.'),
  }),
});

const shownToken = { token: z.string(), logprob: z.number(), bytes: z.array(z.int()) };

const chatLogprobs = z.object({
  content: z.array(z.object({ ...shownToken, top_logprobs: z.array(z.object(shownToken)) })),
  refusal: z.null(),
});

const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

export const chatResponse = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.null(),
        tool_calls: z.array(toolCall).optional(),
      }),
      logprobs: chatLogprobs.nullable(),
      finish_reason: z.enum(['stop', 'length', 'tool_calls']),
    }),
  ),
  usage,
});

export const completionResponse = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int().describe('Of the prompt; with n, of its first choice, times n.'),
      text: z.string(),
      logprobs: z
        .object({
          tokens: z.array(z.string()),
          token_logprobs: z.array(z.number().nullable()),
          top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
          text_offset: z.array(z.int()),
        })
        .nullable(),
      finish_reason: z.enum(['stop', 'length']),
    }),
  ),
  usage,
});

export const modelResponse = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  max_model_len: z.int().describe('Tokens of prompt and answer.'),
});

export const modelsResponse = z.object({ object: z.literal('list'), data: z.array(modelResponse) });

export const tokenizeResponse = z.object({
  count: z.int(),
  max_model_len: z.int(),
  tokens: z.array(z.int()),
  token_strs: z.array(z.string()).nullable(),
});

export const detokenizeResponse = z.object({ prompt: z.string() });

const specialToken = z.string().nullable();

export const tokenizerInfoResponse = z.object({
  bos_token: specialToken,
  eos_token: specialToken,
  pad_token: specialToken,
  unk_token: specialToken,
  sep_token: specialToken,
  cls_token: specialToken,
  chat_template: z.string().nullable(),
  vocab_size: z.int(),
  model_max_length: z.int(),
});
