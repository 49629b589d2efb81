/** /tokenize, /detokenize and /tokenizer_info: the model's tokenizer for clients that count, in vLLM's shapes. */
import { TokenizerError } from '@longpo/tokens';
import type { Context } from 'hono';
import * as z from 'zod';
import { chatMessages, templateMessages } from './chat-request.ts';
import { invalidRequest } from './errors.ts';
import type { Served } from './model-state.ts';
import { parseRequest } from './parse-request.ts';
import type { ApiEnv } from './request-record.ts';
import { toolFields } from './tools.ts';

export const tokenizeRequest = z
  .object({
    prompt: z.string().nullish(),
    messages: chatMessages.nullish(),
    tools: toolFields.tools,
    add_special_tokens: z
      .boolean()
      .nullish()
      .describe('What the tokenizer puts around a text by itself; false if left out, as in /v1/completions.'),
    add_generation_prompt: z.boolean().nullish().describe('Of messages; true if left out.'),
    return_token_strs: z.boolean().nullish(),
  })
  .refine(({ prompt, messages }) => (prompt == null) !== (messages == null), {
    path: ['prompt'],
    error: 'must be there, or messages, and not both',
  });

const isTokenIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0);

export const detokenizeRequest = z.object({
  tokens: z
    .custom<number[]>(isTokenIds, { error: 'must be an array of token ids' })
    .meta({ type: 'array', items: { type: 'integer', minimum: 0 } }),
});

type TokenizeRequest = z.infer<typeof tokenizeRequest>;

function textOf({ tokenizer }: Served, request: TokenizeRequest): string {
  if (!request.messages) return request.prompt ?? '';
  const addGenerationPrompt = request.add_generation_prompt ?? true;
  const messages = templateMessages(request.messages);
  try {
    return tokenizer.applyChatTemplate(messages, { addGenerationPrompt, tools: request.tools ?? null });
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw invalidRequest(error.message, 'messages', error.code.toLowerCase());
  }
}

export async function tokenize(c: Context<ApiEnv>, served: Served): Promise<Response> {
  const request = parseRequest(tokenizeRequest, await c.req.text());
  const addSpecialTokens = request.add_special_tokens ?? false;
  const tokens = await served.encode(textOf(served, request), { addSpecialTokens });
  const shown = (id: number) => served.tokenizer.decode([id], { skipSpecialTokens: false });
  return c.json({
    count: tokens.length,
    max_model_len: served.engine.maxModelLen,
    tokens,
    token_strs: request.return_token_strs ? tokens.map(shown) : null,
  });
}

export async function detokenize(c: Context<ApiEnv>, { engine, tokenizer }: Served): Promise<Response> {
  const { tokens } = parseRequest(detokenizeRequest, await c.req.text());
  const outside = tokens.find((id) => id >= engine.vocabularySize);
  if (outside !== undefined)
    throw invalidRequest(`tokens: token id ${outside} is not below ${engine.vocabularySize}`, 'tokens');
  return c.json({ prompt: tokenizer.decode(tokens, { skipSpecialTokens: false }) });
}

export function tokenizerInfo(c: Context<ApiEnv>, { engine, tokenizer }: Served): Response {
  const { specialTokens, chatTemplate } = tokenizer.info;
  return c.json({
    ...specialTokens,
    chat_template: chatTemplate,
    vocab_size: engine.vocabularySize,
    model_max_length: engine.maxModelLen,
  });
}
