/** Errors as OpenAI's clients read them: status, and {"error": {message, type, param, code}}. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { EngineError } from '../engine/engine.ts';

export class ApiError extends Error {
  readonly status: ContentfulStatusCode;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
  readonly headers: Record<string, string>;

  constructor(
    status: ContentfulStatusCode,
    error: { message: string; code: string; param?: string; type?: string; headers?: Record<string, string> },
  ) {
    super(error.message);
    this.status = status;
    this.type = error.type ?? 'invalid_request_error';
    this.param = error.param ?? null;
    this.code = error.code;
    this.headers = error.headers ?? {};
  }

  body(): { error: { message: string; type: string; param: string | null; code: string } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }
}

/** A retry would end the same: clients that retry by themselves must not. */
const final = { 'x-should-retry': 'false' };

export function contextLengthExceeded(prompt: number, newTokens: number, maxModelLen: number): ApiError {
  return new ApiError(400, {
    code: 'context_length_exceeded',
    param: 'messages',
    message:
      `This model's maximum context length is ${maxModelLen} tokens, but ${prompt} prompt tokens and ${newTokens} new ` +
      'tokens were asked for: shorten the prompt or lower max_tokens.',
    headers: final,
  });
}

export function modelNotFound(model: string, served: string): ApiError {
  return new ApiError(404, {
    code: 'model_not_found',
    param: 'model',
    message: `The model "${model}" is not served here: use "${served}".`,
    headers: final,
  });
}

export function stillLoading(percent: number): ApiError {
  return new ApiError(503, {
    type: 'server_error',
    code: 'model_loading',
    message: `The model is loading (${percent} %).`,
    headers: { 'retry-after': '1' },
  });
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineError && error.code !== 'ENGINE_CLOSED')
    return new ApiError(400, { code: error.code.toLowerCase(), message: error.message, headers: final });
  return new ApiError(500, {
    type: 'server_error',
    code: 'internal_error',
    message: error instanceof Error ? error.message : String(error),
  });
}

export function respond(c: Context, error: unknown): Response {
  const known = asApiError(error);
  for (const [name, value] of Object.entries(known.headers)) c.header(name, value);
  return c.json(known.body(), known.status);
}
