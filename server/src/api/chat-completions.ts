/** POST /v1/chat/completions */
import { randomUUID } from 'node:crypto';
import { type Tokenizer, TokenizerError } from '@longpo/tokens';
import type { Context } from 'hono';
import type { GeneratedToken } from '../engine/engine.ts';
import type { Served } from './app.ts';
import { ApiError, modelNotFound } from './errors.ts';
import { eventStream } from './event-stream.ts';
import { generateText, type TextGeneration, usageOf } from './generation.ts';
import { chatLogprobs } from './logprobs.ts';
import { type ChatRequest, chatRequest, parseRequest } from './requests.ts';

function encode(tokenizer: Tokenizer, { messages }: ChatRequest): number[] {
  try {
    return tokenizer.chat(messages);
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw new ApiError(400, { code: 'chat_template_failed', param: 'messages', message: error.message });
  }
}

export async function chatCompletions(c: Context, served: Served): Promise<Response> {
  const request = parseRequest(chatRequest, await c.req.json().catch(() => undefined));
  if (request.model !== served.name) throw modelNotFound(request.model, served.name);
  const cancel = new AbortController();
  const generation = generateText(
    served,
    {
      promptIds: encode(served.tokenizer, request),
      maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
      temperature: request.temperature ?? 1,
      topP: request.top_p ?? 1,
      topK: Math.max(request.top_k ?? 0, 0),
      seed: request.seed ?? null,
      stop: request.stop ?? null,
      ignoreEos: request.ignore_eos ?? false,
      topLogprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
    },
    AbortSignal.any([c.req.raw.signal, cancel.signal]),
  );
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: served.name };
  if (request.stream)
    return eventStream(c, chunks(generation, request, head, served.tokenizer), () => cancel.abort());
  return c.json(await whole(generation, request, head, served.tokenizer));
}

type Head = { id: string; created: number; model: string };

async function whole(generation: TextGeneration, request: ChatRequest, head: Head, tokenizer: Tokenizer) {
  let content = '';
  const tokens: GeneratedToken[] = [];
  for await (const { text, token } of generation.pieces) {
    content += text;
    tokens.push(token);
  }
  const { finish, tail } = generation.summary();
  return {
    ...head,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: content + tail, refusal: null },
        logprobs: request.logprobs ? chatLogprobs(tokenizer, tokens) : null,
        finish_reason: finish,
      },
    ],
    usage: usageOf([generation]),
  };
}

async function* chunks(generation: TextGeneration, request: ChatRequest, head: Head, tokenizer: Tokenizer) {
  const withUsage = request.stream_options?.include_usage ?? false;
  const chunk = (delta: object, finish: string | null, logprobs: object | null = null) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs, finish_reason: finish }],
    ...(withUsage ? { usage: null } : {}),
  });
  yield chunk({ role: 'assistant', content: '' }, null);
  for await (const { text, token } of generation.pieces) {
    const logprobs = request.logprobs ? chatLogprobs(tokenizer, [token]) : null;
    if (text !== '' || logprobs) yield chunk({ content: text }, null, logprobs);
  }
  const { finish, tail } = generation.summary();
  if (tail !== '') yield chunk({ content: tail }, null);
  yield chunk({}, finish);
  if (withUsage)
    yield { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf([generation]) };
}
