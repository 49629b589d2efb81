/** POST /v1/completions: raw prompts, as text or token ids, one choice each. */
import { randomUUID } from 'node:crypto';
import type { Tokenizer } from '@longpo/tokens';
import type { Context } from 'hono';
import type { GeneratedToken } from '../engine/engine.ts';
import type { Served } from './app.ts';
import { ApiError, modelNotFound } from './errors.ts';
import { eventStream } from './event-stream.ts';
import { generateText, type TextGeneration, usageOf } from './generation.ts';
import { completionLogprobs } from './logprobs.ts';
import { type CompletionRequest, completionRequest, parseRequest } from './requests.ts';

/** OpenAI's default for this endpoint. */
const defaultMaxTokens = 16;

/** Ids are taken as they are; no beginning-of-text token is added to either form. */
function promptsOf({ prompt }: CompletionRequest, tokenizer: Tokenizer): number[][] {
  if (typeof prompt === 'string') return [tokenizer.encode(prompt)];
  if (prompt.every((item) => typeof item === 'number')) return [prompt as number[]];
  return (prompt as (string | number[])[]).map((item) =>
    typeof item === 'string' ? tokenizer.encode(item) : item,
  );
}

export async function completions(c: Context, served: Served): Promise<Response> {
  const request = parseRequest(completionRequest, await c.req.json().catch(() => undefined));
  if (request.model !== served.name) throw modelNotFound(request.model, served.name);
  const prompts = promptsOf(request, served.tokenizer);
  if (prompts.some((ids) => ids.length === 0))
    throw new ApiError(400, {
      code: 'invalid_request',
      param: 'prompt',
      message: 'prompt: an empty prompt has nothing to complete',
    });
  const cancel = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, cancel.signal]);
  const generations = prompts.map((promptIds) =>
    generateText(served, textRequest(request, promptIds), signal),
  );
  const head = {
    id: `cmpl-${randomUUID()}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model: served.name,
  };
  if (request.stream)
    return eventStream(c, chunks(generations, request, head, served.tokenizer), () => cancel.abort());
  const choices = await Promise.all(
    generations.map((generation, index) => whole(generation, index, request, served.tokenizer)),
  );
  return c.json({ ...head, choices, usage: usageOf(generations) });
}

function textRequest(request: CompletionRequest, promptIds: number[]) {
  return {
    promptIds,
    maxTokens: request.max_tokens ?? defaultMaxTokens,
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: Math.max(request.top_k ?? 0, 0),
    seed: request.seed ?? null,
    stop: request.stop ?? null,
    ignoreEos: request.ignore_eos ?? false,
    topLogprobs: request.logprobs ?? null,
  };
}

async function whole(
  generation: TextGeneration,
  index: number,
  request: CompletionRequest,
  tokenizer: Tokenizer,
) {
  let text = '';
  const tokens: GeneratedToken[] = [];
  for await (const piece of generation.pieces) {
    text += piece.text;
    tokens.push(piece.token);
  }
  const { finish, tail } = generation.summary();
  const logprobs = request.logprobs == null ? null : completionLogprobs(tokenizer, tokens, 0);
  return { index, text: text + tail, logprobs, finish_reason: finish };
}

async function* chunks(
  generations: TextGeneration[],
  request: CompletionRequest,
  head: object,
  tokenizer: Tokenizer,
) {
  const withUsage = request.stream_options?.include_usage ?? false;
  for (const [index, generation] of generations.entries()) {
    const chunk = (text: string, finish: string | null, logprobs: object | null = null) => ({
      ...head,
      choices: [{ index, text, logprobs, finish_reason: finish }],
      ...(withUsage ? { usage: null } : {}),
    });
    let offset = 0;
    for await (const { text, token } of generation.pieces) {
      const logprobs = request.logprobs == null ? null : completionLogprobs(tokenizer, [token], offset);
      if (text !== '' || logprobs) yield chunk(text, null, logprobs);
      offset += text.length;
    }
    const { finish, tail } = generation.summary();
    yield chunk(tail, finish);
  }
  if (withUsage) yield { ...head, choices: [], usage: usageOf(generations) };
}
