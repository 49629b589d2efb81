/** POST /v1/chat/completions: one conversation, n answers. */
import { randomUUID } from 'node:crypto';
import { type Tokenizer, TokenizerError } from '@longpo/tokens';
import type { Context } from 'hono';
import type { GeneratedToken } from '../engine/engine.ts';
import { answer, type Face } from './answer.ts';
import { type ChatRequest, maxTokensOf, templateMessages } from './chat-request.ts';
import { invalidRequest, modelNotFound } from './errors.ts';
import { choicesOf, type TextGeneration, usageOf } from './generation.ts';
import { chatLogprobs } from './logprobs.ts';
import { merged } from './merge.ts';
import type { Served } from './model-state.ts';
import { parseRequest } from './parse-request.ts';
import type { ApiEnv } from './request-record.ts';
import type { RequestSchemas } from './request-schemas.ts';
import { samplingOf } from './sampling-fields.ts';

const param = 'messages';

function encode({ tokenizer }: Served, request: ChatRequest): number[] {
  try {
    return tokenizer.chat(templateMessages(request.messages), { tools: request.tools ?? null });
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
  const request = parseRequest(chat, await c.req.text());
  if (request.model !== served.name) throw modelNotFound(request.model, served.name);
  const textRequest = {
    ...samplingOf(request),
    promptIds: encode(served, request),
    param,
    maxTokens: maxTokensOf(request),
    newTokenLimit: limits.newTokens,
    topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
    promptLogprobs: null,
  };
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: served.name };
  return answer(c, served, choicesOf(request.n ?? 1, textRequest), {
    stream: request.stream ?? false,
    face: chatFace(head, request, served.tokenizer),
  });
}

function chatFace(head: object, request: ChatRequest, tokenizer: Tokenizer): Face {
  const logprobsOf = (tokens: GeneratedToken[]) =>
    request.logprobs ? chatLogprobs(tokenizer, tokens) : null;
  const choiceOf = async (generation: TextGeneration, index: number) => {
    let content = '';
    const tokens: GeneratedToken[] = [];
    for await (const { text, token } of generation.pieces()) {
      content += text;
      if (token) tokens.push(token);
    }
    const message = { role: 'assistant', content, refusal: null };
    return { index, message, logprobs: logprobsOf(tokens), finish_reason: generation.finish };
  };
  const usage = request.stream_options?.include_usage ? { usage: null } : {};
  async function* chunksOf(generation: TextGeneration, index: number) {
    const chunk = (delta: object, finish_reason: string | null, logprobs: object | null = null) => ({
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index, delta, logprobs, finish_reason }],
      ...usage,
    });
    yield chunk({ role: 'assistant', content: '' }, null);
    for await (const { text, token } of generation.pieces()) {
      const logprobs = token ? logprobsOf([token]) : null;
      if (text !== '' || logprobs) yield chunk({ content: text }, null, logprobs);
    }
    yield chunk({}, generation.finish);
  }
  return {
    async whole(generations) {
      const choices = await Promise.all(generations.map(choiceOf));
      return { ...head, object: 'chat.completion', choices, usage: usageOf(generations) };
    },
    async *chunks(generations) {
      yield* merged(generations.map(chunksOf));
      if (request.stream_options?.include_usage)
        yield { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(generations) };
    },
  };
}
