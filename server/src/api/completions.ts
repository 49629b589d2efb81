/** POST /v1/completions: raw prompts, as text or token ids, n choices each. */
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { answer } from './answer.ts';
import { completionFace, type PromptEcho } from './completion-face.ts';
import { promptsOf } from './completion-request.ts';
import { modelNotFound } from './errors.ts';
import { choicesOf } from './generation.ts';
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
    continues: true,
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
