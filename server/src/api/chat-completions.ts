/** POST /v1/chat/completions: one conversation, one answer. */
import { randomUUID } from 'node:crypto';
import { type Tokenizer, TokenizerError } from '@longpo/tokens';
import type { Context } from 'hono';
import type { GeneratedToken } from '../engine/engine.ts';
import { answer, type Face } from './answer.ts';
import { invalidRequest, modelNotFound } from './errors.ts';
import { usageOf } from './generation.ts';
import { chatLogprobs } from './logprobs.ts';
import type { Served } from './model-state.ts';
import type { ApiEnv } from './request-record.ts';
import { type ChatRequest, chatRequest, parseRequest, samplingOf } from './requests.ts';

const param = 'messages';

function encode({ tokenizer }: Served, { messages }: ChatRequest): number[] {
  try {
    return tokenizer.chat(messages);
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw invalidRequest(error.message, param, error.code.toLowerCase());
  }
}

export async function chatCompletions(c: Context<ApiEnv>, served: Served): Promise<Response> {
  const request = parseRequest(chatRequest, await c.req.text());
  if (request.model !== served.name) throw modelNotFound(request.model, served.name);
  const textRequest = {
    ...samplingOf(request),
    promptIds: encode(served, request),
    param,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
  };
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: served.name };
  return answer(c, served, [textRequest], {
    stream: request.stream ?? false,
    face: chatFace(head, request, served.tokenizer),
  });
}

function chatFace(head: object, request: ChatRequest, tokenizer: Tokenizer): Face {
  const logprobsOf = (tokens: GeneratedToken[]) =>
    request.logprobs ? chatLogprobs(tokenizer, tokens) : null;
  return {
    async whole([generation]) {
      if (!generation) throw new Error('a chat has one answer');
      let content = '';
      const tokens: GeneratedToken[] = [];
      for await (const { text, token } of generation.pieces()) {
        content += text;
        if (token) tokens.push(token);
      }
      const message = { role: 'assistant', content, refusal: null };
      const choice = { index: 0, message, logprobs: logprobsOf(tokens), finish_reason: generation.finish };
      return { ...head, object: 'chat.completion', choices: [choice], usage: usageOf([generation]) };
    },
    async *chunks([generation]) {
      if (!generation) throw new Error('a chat has one answer');
      const usage = request.stream_options?.include_usage ? { usage: null } : {};
      const chunk = (delta: object, finish_reason: string | null, logprobs: object | null = null) => ({
        ...head,
        object: 'chat.completion.chunk',
        choices: [{ index: 0, delta, logprobs, finish_reason }],
        ...usage,
      });
      yield chunk({ role: 'assistant', content: '' }, null);
      for await (const { text, token } of generation.pieces()) {
        const logprobs = token ? logprobsOf([token]) : null;
        if (text !== '' || logprobs) yield chunk({ content: text }, null, logprobs);
      }
      yield chunk({}, generation.finish);
      if (request.stream_options?.include_usage)
        yield { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf([generation]) };
    },
  };
}
