/** POST /v1/completions: raw prompts, as text or token ids, n choices each. */
import { randomUUID } from 'node:crypto';
import type { Tokenizer } from '@longpo/tokens';
import type { Context } from 'hono';
import type { GeneratedToken } from '../engine/engine.ts';
import { answer, type Face } from './answer.ts';
import { type CompletionRequest, promptsOf } from './completion-request.ts';
import { modelNotFound } from './errors.ts';
import { choicesOf, type TextGeneration, usageOf } from './generation.ts';
import { completionLogprobs, type PlacedToken, placedPrompt } from './logprobs.ts';
import { merged } from './merge.ts';
import type { Served } from './model-state.ts';
import { parseRequest } from './parse-request.ts';
import type { ApiEnv } from './request-record.ts';
import type { RequestSchemas } from './request-schemas.ts';
import { samplingOf } from './sampling-fields.ts';

export async function completions(
  c: Context<ApiEnv>,
  served: Served,
  { completion, limits }: RequestSchemas,
): Promise<Response> {
  const { name, tokenizer, encode } = served;
  const request = parseRequest(completion, await c.req.text());
  if (request.model !== name) throw modelNotFound(request.model, name);
  const logprobs = request.logprobs ?? null;
  const sampling = {
    ...samplingOf(request),
    param: 'prompt',
    maxTokens: request.max_tokens ?? null,
    newTokenLimit: limits.newTokens,
    topLogprobs: logprobs,
    promptLogprobs: request.echo ? logprobs : null,
  };
  const n = request.n ?? 1;
  // Ids are taken as they are; no beginning-of-text token is added to either form.
  const prompts = await Promise.all(
    promptsOf(request).map(async (prompt) =>
      typeof prompt === 'string'
        ? { text: prompt, ids: await encode(prompt) }
        : { text: request.echo ? tokenizer.decode(prompt, { skipSpecialTokens: false }) : '', ids: prompt },
    ),
  );
  const echoes = prompts.flatMap((prompt) => Array<PromptEcho>(n).fill(prompt));
  const created = Math.floor(Date.now() / 1000);
  const head = { id: `cmpl-${randomUUID()}`, object: 'text_completion', created, model: name };
  return answer(
    c,
    served,
    prompts.flatMap(({ ids }) => choicesOf(n, { ...sampling, promptIds: ids })),
    { stream: request.stream ?? false, face: completionFace(head, request, { tokenizer, echoes }) },
  );
}

/** The prompt of a choice, as an echo shows it. */
interface PromptEcho {
  readonly text: string;
  readonly ids: readonly number[];
}

function completionFace(
  head: object,
  request: CompletionRequest,
  { tokenizer, echoes }: { tokenizer: Tokenizer; echoes: readonly PromptEcho[] },
): Face {
  const usage = request.stream_options?.include_usage ? { usage: null } : {};
  const logprobsOf = (tokens: readonly PlacedToken[], offset?: number) =>
    request.logprobs == null ? null : completionLogprobs(tokenizer, tokens, offset);
  /** What stands before the generated text of a choice. */
  const echoOf = async (generation: TextGeneration, index: number) => {
    const echo = echoes[index];
    if (!request.echo || echo === undefined) return { text: '', tokens: [] };
    return { text: echo.text, tokens: placedPrompt(echo.ids, (await generation.promptLogprobs) ?? []) };
  };
  const choiceOf = async (generation: TextGeneration, index: number) => {
    let text = '';
    const tokens: GeneratedToken[] = [];
    for await (const piece of generation.pieces()) {
      text += piece.text;
      if (piece.token) tokens.push(piece.token);
    }
    const echo = await echoOf(generation, index);
    const logprobs = logprobsOf([...echo.tokens, ...tokens]);
    return { index, text: echo.text + text, logprobs, finish_reason: generation.finish };
  };
  async function* chunksOf(generation: TextGeneration, index: number) {
    const chunk = (text: string, finish_reason: string | null, logprobs: object | null = null) => ({
      ...head,
      choices: [{ index, text, logprobs, finish_reason }],
      ...usage,
    });
    let offset = 0;
    const shown = (tokens: readonly PlacedToken[]) => {
      const logprobs = logprobsOf(tokens, offset);
      offset += logprobs?.tokens.join('').length ?? 0;
      return logprobs;
    };
    const echo = await echoOf(generation, index);
    if (request.echo) yield chunk(echo.text, null, shown(echo.tokens));
    for await (const { text, token } of generation.pieces()) {
      const logprobs = token ? shown([token]) : null;
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
