/** POST /v1/completions: raw prompts, as text or token ids, one choice each. */
import { randomUUID } from 'node:crypto';
import type { Tokenizer } from '@longpo/tokens';
import type { Context } from 'hono';
import type { GeneratedToken } from '../engine/engine.ts';
import { answer, type Face } from './answer.ts';
import { modelNotFound } from './errors.ts';
import { type TextGeneration, usageOf } from './generation.ts';
import { completionLogprobs } from './logprobs.ts';
import { merged } from './merge.ts';
import type { Served } from './model-state.ts';
import type { ApiEnv } from './request-record.ts';
import {
  type CompletionRequest,
  completionRequest,
  parseRequest,
  promptsOf,
  samplingOf,
} from './requests.ts';

export async function completions(c: Context<ApiEnv>, served: Served): Promise<Response> {
  const { name, tokenizer } = served;
  const request = parseRequest(completionRequest, await c.req.text());
  if (request.model !== name) throw modelNotFound(request.model, name);
  const sampling = {
    ...samplingOf(request),
    param: 'prompt',
    maxTokens: request.max_tokens ?? null,
    topLogprobs: request.logprobs ?? null,
  };
  // Ids are taken as they are; no beginning-of-text token is added to either form.
  const requests = promptsOf(request).map((prompt) => ({
    ...sampling,
    promptIds: typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt,
  }));
  const created = Math.floor(Date.now() / 1000);
  const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created, model: name };
  return answer(c, served, requests, {
    stream: request.stream ?? false,
    face: completionFace(head, request, tokenizer),
  });
}

function completionFace(head: object, request: CompletionRequest, tokenizer: Tokenizer): Face {
  const usage = request.stream_options?.include_usage ? { usage: null } : {};
  const logprobsOf = (tokens: GeneratedToken[], offset?: number) =>
    request.logprobs == null ? null : completionLogprobs(tokenizer, tokens, offset);
  const choiceOf = async (generation: TextGeneration, index: number) => {
    let text = '';
    const tokens: GeneratedToken[] = [];
    for await (const piece of generation.pieces()) {
      text += piece.text;
      if (piece.token) tokens.push(piece.token);
    }
    return { index, text, logprobs: logprobsOf(tokens), finish_reason: generation.finish };
  };
  async function* chunksOf(generation: TextGeneration, index: number) {
    const chunk = (text: string, finish_reason: string | null, logprobs: object | null = null) => ({
      ...head,
      choices: [{ index, text, logprobs, finish_reason }],
      ...usage,
    });
    let offset = 0;
    for await (const { text, token } of generation.pieces()) {
      const logprobs = token ? logprobsOf([token], offset) : null;
      offset += logprobs?.tokens[0]?.length ?? 0;
      if (text !== '' || logprobs) yield chunk(text, null, logprobs);
    }
    yield chunk('', generation.finish);
  }
  return {
    async whole(generations) {
      const choices = await Promise.all(generations.map(choiceOf));
      return { ...head, choices, usage: usageOf(generations) };
    },
    async *chunks(generations) {
      yield* merged(generations.map(chunksOf));
      if (request.stream_options?.include_usage) yield { ...head, choices: [], usage: usageOf(generations) };
    },
  };
}
