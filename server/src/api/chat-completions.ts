/** POST /v1/chat/completions: one conversation, n answers. */
import { randomUUID } from 'node:crypto';
import { TokenizerError } from '@longpo/tokens';
import type { Context } from 'hono';
import { answer } from './answer.ts';
import { chatFace } from './chat-face.ts';
import { type ChatRequest, maxTokensOf, templateMessages } from './chat-request.ts';
import { invalidRequest, modelNotFound } from './errors.ts';
import { choicesOf } from './generation.ts';
import { chatLogprobs } from './logprobs.ts';
import type { Served } from './model-state.ts';
import { parseRequest } from './parse-request.ts';
import type { ApiEnv } from './request-record.ts';
import type { RequestSchemas } from './request-schemas.ts';
import { samplingOf } from './sampling-fields.ts';
import { type ToolUse, toolUseOf } from './tools.ts';

const param = 'messages';

function render({ tokenizer }: Served, { messages }: ChatRequest, toolUse: ToolUse | null): string {
  const tools = toolUse?.tools ?? null;
  try {
    return tokenizer.applyChatTemplate(templateMessages(messages), { addGenerationPrompt: true, tools });
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw invalidRequest(error.message, param, error.code.toLowerCase());
  }
}

export async function chatCompletions(
  c: Context<ApiEnv>,
  served: Served,
  { chat, limits }: RequestSchemas,
): Promise<Response> {
  const { name, tokenizer } = served;
  const request = parseRequest(chat, await c.req.text());
  if (request.model !== name) throw modelNotFound(request.model, name);
  const sampling = samplingOf(request);
  const toolUse = toolUseOf(request, tokenizer.info);
  if (toolUse && sampling.grammar)
    throw invalidRequest(
      'response_format: leave it out beside tools, or set tool_choice to none',
      'response_format',
    );
  const textRequest = {
    ...sampling,
    grammar: toolUse ? toolUse.grammar : sampling.grammar,
    promptIds: await served.encode(render(served, request, toolUse)),
    param,
    continues: false,
    maxTokens: maxTokensOf(request),
    newTokenLimit: limits.newTokens,
    topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
    promptLogprobs: null,
  };
  return answer(c, served, choicesOf(request.n ?? 1, textRequest), {
    stream: request.stream ?? false,
    face: chatFace({
      head: { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: name },
      includeUsage: request.stream_options?.include_usage ?? false,
      toolUse,
      logprobsOf: (tokens) => (request.logprobs ? chatLogprobs(tokenizer, tokens) : null),
    }),
  });
}
