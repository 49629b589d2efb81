/** The body of POST /v1/chat/completions. Unknown fields are ignored, as clients send many. */
import type { ChatMessage } from '@longpo/tokens';
import * as z from 'zod';
import type { RequestLimits } from './limits.ts';
import { maxTopLogprobs, newTokens, samplingFields } from './sampling-fields.ts';
import { toolFields } from './tools.ts';

const contentPart = z.object({ type: z.literal('text'), text: z.string() });

const toolCall = z.object({
  id: z.string(),
  type: z.literal('function').nullish(),
  function: z.object({ name: z.string(), arguments: z.string().describe('A JSON object.') }),
});

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z
    .union([z.string(), z.array(contentPart)], { error: 'must be a string or an array of text parts' })
    .nullish()
    .describe('null only beside tool_calls.'),
  name: z.string().nullish(),
  tool_calls: z.array(toolCall).nullish(),
  tool_call_id: z.string().nullish(),
});

const hasContent = ({ content, tool_calls }: z.infer<typeof message>): boolean =>
  content != null || (tool_calls ?? []).length > 0;

export const chatMessages = z
  .array(
    message.refine(hasContent, { path: ['content'], error: 'must be a string or an array of text parts' }),
  )
  .min(1);

export const chatRequest = (limits: RequestLimits) =>
  z
    .object({
      ...samplingFields(limits),
      ...toolFields,
      messages: chatMessages,
      max_tokens: newTokens(1, limits).nullish(),
      max_completion_tokens: newTokens(1, limits).nullish(),
      logprobs: z.boolean().nullish(),
      top_logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
    })
    .refine(({ logprobs, top_logprobs }) => logprobs === true || !top_logprobs, {
      path: ['top_logprobs'],
      error: 'needs logprobs to be true',
    })
    .refine((request) => (request.min_tokens ?? 0) <= (maxTokensOf(request) ?? Number.POSITIVE_INFINITY), {
      path: ['min_tokens'],
      error: 'must not be more than max_tokens',
    });

export type ChatRequest = z.infer<ReturnType<typeof chatRequest>>;

export const maxTokensOf = (request: {
  readonly max_tokens?: number | null | undefined;
  readonly max_completion_tokens?: number | null | undefined;
}): number | null => request.max_completion_tokens ?? request.max_tokens ?? null;

/** As chat templates know them: text is one string, the arguments of a tool call are an object. */
export function templateMessages(messages: z.infer<typeof chatMessages>): ChatMessage[] {
  return messages.map(({ role, content, name, tool_calls, tool_call_id }) => ({
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join(''),
    ...(name == null ? {} : { name }),
    ...(tool_call_id == null ? {} : { tool_call_id }),
    ...(tool_calls == null || tool_calls.length === 0
      ? {}
      : { tool_calls: tool_calls.map(templateToolCall) }),
  }));
}

function templateToolCall({ id, function: { name, arguments: text } }: z.infer<typeof toolCall>) {
  return { id, type: 'function' as const, function: { name, arguments: argumentsOf(text) } };
}

/** A model may have written arguments that are no JSON; the template then shows them as they were. */
function argumentsOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
