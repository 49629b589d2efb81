/** GET /openapi.json: the schemas of the doors and of the answers as an OpenAPI 3.1 document. */
import * as z from 'zod';
import type { RequestSchemas } from './request-schemas.ts';
import * as responses from './responses.ts';
import { detokenizeRequest, tokenizeRequest } from './tokenization.ts';

interface Operation {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  /** Of the path. */
  readonly parameter?: string;
  readonly request?: string;
  readonly response: string | { readonly [contentType: string]: object };
  /** Statuses of refusals. */
  readonly errors?: readonly number[];
}

const text = { 'text/plain': { schema: { type: 'string' } } };
const html = { 'text/html': { schema: { type: 'string' } } };
const asked = [400, 401, 413, 503];
const generated = [400, 401, 404, 413, 429, 500, 503];

const operations: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation',
    request: 'ChatRequest',
    response: 'ChatResponse',
    errors: generated,
  },
  {
    method: 'post',
    path: '/v1/completions',
    summary: 'Complete texts or token ids',
    request: 'CompletionRequest',
    response: 'CompletionResponse',
    errors: generated,
  },
  {
    method: 'post',
    path: '/v1/embeddings',
    summary: 'Always refused: the model writes text',
    response: 'ErrorResponse',
    errors: [400, 401, 503],
  },
  {
    method: 'get',
    path: '/v1/models',
    summary: 'The model and its length',
    response: 'ModelsResponse',
    errors: [401, 503],
  },
  {
    method: 'get',
    path: '/v1/models/{model}',
    summary: 'The model by its name',
    parameter: 'model',
    response: 'ModelResponse',
    errors: [401, 404, 503],
  },
  {
    method: 'post',
    path: '/tokenize',
    summary: 'Token ids of a text or a conversation',
    request: 'TokenizeRequest',
    response: 'TokenizeResponse',
    errors: asked,
  },
  {
    method: 'post',
    path: '/detokenize',
    summary: 'Text of token ids',
    request: 'DetokenizeRequest',
    response: 'DetokenizeResponse',
    errors: asked,
  },
  {
    method: 'get',
    path: '/tokenizer_info',
    summary: 'Special tokens and chat template',
    response: 'TokenizerInfoResponse',
    errors: [401, 503],
  },
  { method: 'get', path: '/healthz', summary: 'The process lives', response: text },
  { method: 'get', path: '/readyz', summary: 'The model has answered once', response: text, errors: [503] },
  { method: 'get', path: '/metrics', summary: 'For Prometheus', response: text },
  { method: 'get', path: '/openapi.json', summary: 'This document', response: { 'application/json': {} } },
  { method: 'get', path: '/docs', summary: 'This document as a page', response: html },
];

/** What the page offers to send. */
const examplesOf = (model: string): Readonly<Record<string, object>> => ({
  ChatRequest: {
    model,
    messages: [{ role: 'user', content: 'What is the capital of France?' }],
    max_tokens: 16,
  },
  CompletionRequest: { model, prompt: 'The sea is blue', max_tokens: 16 },
  TokenizeRequest: { prompt: 'The sea is blue' },
  DetokenizeRequest: { tokens: [1, 2, 3] },
});

const schemaOf = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const json = (name: string) => ({ 'application/json': { schema: schemaOf(name) } });

/** Both endpoints answer in one piece or, with stream, as server-sent events. */
const contentOf = ({ request, response }: Operation): object => {
  if (typeof response !== 'string') return response;
  const streams = request === 'ChatRequest' || request === 'CompletionRequest';
  return { ...json(response), ...(streams ? { 'text/event-stream': { schema: { type: 'string' } } } : {}) };
};

/** `model` is the name of the served one. */
function operationOf(operation: Operation, model: string): object {
  const { summary, parameter, request, errors = [] } = operation;
  const refusals = errors.map((status) => [
    status,
    { description: 'Refused', content: json('ErrorResponse') },
  ]);
  const success =
    request === undefined && operation.response === 'ErrorResponse'
      ? []
      : [['200', { description: 'Done', content: contentOf(operation) }]];
  return {
    summary,
    ...(parameter === undefined
      ? {}
      : { parameters: [{ name: parameter, in: 'path', required: true, schema: { type: 'string' } }] }),
    ...(request === undefined ? {} : { requestBody: requestBodyOf(request, model) }),
    ...(errors.includes(401) ? { security: [{}, { key: [] }] } : {}),
    responses: Object.fromEntries([...success, ...refusals]),
  };
}

function requestBodyOf(request: string, model: string): object {
  const content = { schema: schemaOf(request), example: examplesOf(model)[request] };
  return { required: true, content: { 'application/json': content } };
}

function components({ chat, completion }: RequestSchemas): object {
  const named: Record<string, z.ZodType> = {
    ChatRequest: chat,
    CompletionRequest: completion,
    TokenizeRequest: tokenizeRequest,
    DetokenizeRequest: detokenizeRequest,
    ChatResponse: responses.chatResponse,
    CompletionResponse: responses.completionResponse,
    ModelsResponse: responses.modelsResponse,
    ModelResponse: responses.modelResponse,
    TokenizeResponse: responses.tokenizeResponse,
    DetokenizeResponse: responses.detokenizeResponse,
    TokenizerInfoResponse: responses.tokenizerInfoResponse,
    ErrorResponse: responses.errorResponse,
  };
  return Object.fromEntries(
    Object.entries(named).map(([name, schema]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
      return [name, rest];
    }),
  );
}

/** A document for each name of a served model, which its examples carry; the schemas are described once. */
export function openapiDocuments(schemas: RequestSchemas, version: string): (model: string) => object {
  const described = components(schemas);
  const pathsOf = (model: string) =>
    Object.fromEntries(
      operations.map((operation) => [operation.path, { [operation.method]: operationOf(operation, model) }]),
    );
  return (model) => ({
    openapi: '3.1.0',
    info: {
      title: 'LongPO model server',
      version,
      description: 'One language model behind the endpoints of OpenAI and vLLM.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: pathsOf(model),
    components: {
      schemas: described,
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'Where the server has a key file.' },
      },
    },
  });
}
