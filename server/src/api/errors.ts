/** Errors as OpenAI's clients read them: status, and {"error": {message, type, param, code}}. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { EngineError } from '../engine/engine.ts';

interface ApiErrorOptions {
  readonly message: string;
  readonly code: string;
  readonly param?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export class ApiError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;

  constructor(status: ContentfulStatusCode, options: ApiErrorOptions) {
    const { message, code, param = null, type = 'invalid_request_error', headers = {} } = options;
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.body = { error: { message, type, param, code } };
  }
}

/** A retry would end the same: clients that retry by themselves must not. */
const final = { 'x-should-retry': 'false' };
/** Soon it will not: after a load, or on another replica. */
const soon = { 'retry-after': '1' };

export const invalidRequest = (message: string, param?: string, code = 'invalid_request'): ApiError =>
  new ApiError(400, { code, message, headers: final, ...(param ? { param } : {}) });

export function contextLengthExceeded(
  param: string,
  tokens: { readonly prompt: number; readonly maxNew: number | null; readonly maxModelLen: number },
): ApiError {
  const { prompt, maxNew, maxModelLen } = tokens;
  const asked = maxNew === null ? 'leave no room for an answer' : `and ${maxNew} new tokens were asked for`;
  return invalidRequest(
    `This model's maximum context length is ${maxModelLen} tokens, but ${prompt} prompt tokens ${asked}: shorten the ` +
      `prompt${maxNew === null ? '' : ' or lower max_tokens'}.`,
    param,
    'context_length_exceeded',
  );
}

export const modelNotFound = (model: string, served: string): ApiError =>
  new ApiError(404, {
    code: 'model_not_found',
    param: 'model',
    message: `The model "${model}" is not served here: use "${served}".`,
    headers: final,
  });

export const noEmbeddings = (served: string): ApiError =>
  invalidRequest(
    `The model "${served}" writes text and has no embeddings: use a server with an embedding model.`,
    'model',
    'embeddings_not_supported',
  );

export const wrongApiKey = (): ApiError =>
  new ApiError(401, {
    code: 'invalid_api_key',
    message: 'The API key is missing or wrong: send it as "Authorization: Bearer <key>".',
    headers: { ...final, 'www-authenticate': 'Bearer' },
  });

export const bodyTooLarge = (maxBytes: number): ApiError =>
  new ApiError(413, {
    code: 'body_too_large',
    message: `The body has more than ${maxBytes} bytes, the limit of this server: shorten the prompt.`,
    headers: { ...final, connection: 'close' },
  });

const unavailable = (code: string, message: string, headers: Record<string, string> = {}): ApiError =>
  new ApiError(503, { type: 'server_error', code, message, headers: { ...soon, ...headers } });

export const stillLoading = (percent: number): ApiError =>
  unavailable('model_loading', `The model is loading (${percent} %).`);

export const stopping = (): ApiError =>
  unavailable('server_stopping', 'The server is stopping.', { connection: 'close' });

/** The queue holds as many prompt tokens as it may; they drain in seconds. */
const queueFull = (message: string): ApiError =>
  new ApiError(429, { type: 'rate_limit_error', code: 'queue_full', message, headers: soon });

function ofEngine({ code, message }: EngineError): ApiError {
  if (code === 'ENGINE_CLOSED') return stopping();
  if (code === 'QUEUE_FULL') return queueFull(message);
  return invalidRequest(
    message,
    undefined,
    code === 'PROMPT_TOO_LONG' ? 'context_length_exceeded' : code.toLowerCase(),
  );
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineError) return ofEngine(error);
  // What went wrong inside is for the log.
  return new ApiError(500, {
    type: 'server_error',
    code: 'internal_error',
    message: 'The server failed at this request; its log says why, under the x-request-id of this response.',
  });
}

export function respond(c: Context, error: ApiError): Response {
  for (const [name, value] of Object.entries(error.headers)) c.header(name, value);
  return c.json(error.body, error.status);
}
