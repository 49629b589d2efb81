/** The HTTP API. `createApp` takes what it serves from; tests call `app.request()`. */
import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import packageJson from '../../package.json' with { type: 'json' };
import type { Metrics } from '../metrics.ts';
import { failureValues } from './answer.ts';
import { type ApiKeys, bearerOf } from './api-keys.ts';
import { chatCompletions } from './chat-completions.ts';
import { completions } from './completions.ts';
import { ApiError, asApiError, bodyTooLarge, noEmbeddings, respond, wrongApiKey } from './errors.ts';
import { health } from './health.ts';
import { bodyBytesOf, defaultLimits, type RequestLimits } from './limits.ts';
import { type ModelState, servedOf } from './model-state.ts';
import { model, models } from './models.ts';
import { openapiDocuments } from './openapi.ts';
import { referencePage } from './reference-page.ts';
import { type ApiEnv, type Log, RequestRecord } from './request-record.ts';
import { requestSchemas } from './request-schemas.ts';
import { detokenize, tokenize, tokenizerInfo } from './tokenization.ts';

export interface AppOptions {
  state(): ModelState;
  metrics: Metrics;
  log: Log;
  limits?: RequestLimits;
  /** null: every caller is let in. */
  apiKeys?: ApiKeys | null;
  /** Web pages of these origins may call; "*" is all, none is no CORS at all. */
  corsOrigins?: readonly string[];
}

/** A caller's own id is kept if it is one: it goes into a header and a log line. */
const requestIdPattern = /^[\w.:-]{1,128}$/;

/** What uses the model, and so needs a key and has a limit of its body. */
const guarded = ['/v1/*', '/tokenize', '/detokenize', '/tokenizer_info'];

export function createApp(options: AppOptions): Hono<ApiEnv> {
  const { state, metrics, log, limits = defaultLimits, apiKeys = null, corsOrigins = [] } = options;
  const app = new Hono<ApiEnv>();
  recordRequests(app, log, metrics);
  // Before the keys: a browser asks for leave without one.
  if (corsOrigins.length > 0)
    app.use(
      cors({
        origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
        exposeHeaders: ['x-request-id', 'x-should-retry', 'retry-after'],
      }),
    );
  for (const path of guarded) {
    if (apiKeys !== null) requireKey(app, path, apiKeys);
    limitBody(app, path, state, limits);
  }
  app.route('/', health(state, metrics));
  const schemas = requestSchemas(limits);
  app.get('/v1/models', (c) => models(c, servedOf(state())));
  // Names of models have slashes.
  app.get('/v1/models/:model{.+}', (c) => model(c, servedOf(state()), c.req.param('model')));
  app.post('/v1/chat/completions', (c) => chatCompletions(c, servedOf(state()), schemas));
  app.post('/v1/completions', (c) => completions(c, servedOf(state()), schemas));
  app.post('/v1/embeddings', () => {
    throw noEmbeddings(servedOf(state()).name);
  });
  app.post('/tokenize', (c) => tokenize(c, servedOf(state())));
  app.post('/detokenize', (c) => detokenize(c, servedOf(state())));
  app.get('/tokenizer_info', (c) => tokenizerInfo(c, servedOf(state())));
  const documentOf = openapiDocuments(schemas, packageJson.version);
  app.get('/openapi.json', (c) => {
    const now = state();
    return c.json(documentOf(now.phase === 'ready' ? now.model.name : 'model'));
  });
  app.route('/', referencePage());
  return app;
}

/** They would drown the requests. */
const probes = new Set(['/healthz', '/readyz', '/metrics']);

function recordRequests(app: Hono<ApiEnv>, log: Log, metrics: Metrics): void {
  app.use(async (c, next) => {
    const given = c.req.header('x-request-id') ?? '';
    const request = requestIdPattern.test(given) ? given : randomUUID();
    const { method, path } = c.req;
    const started = performance.now();
    let handler = '';
    const record = new RequestRecord({ request, method, path }, (values) => {
      const seconds = (performance.now() - started) / 1000;
      metrics.http({ handler, method, status: c.res.status, seconds });
      log(values);
    });
    c.set('record', record);
    c.set('client', c.req.raw);
    c.header('x-request-id', request);
    await next();
    // Of paths that do not exist it is /*, whatever a client wrote.
    handler = routePath(c, -1);
    record.add({ status: c.res.status });
    if (!probes.has(c.req.path) && !record.streaming) record.end();
  });
  app.onError((error, c) => {
    c.get('record').add(failureValues(error));
    return respond(c, asApiError(error));
  });
  app.notFound((c) => {
    const message = `${c.req.method} ${c.req.path}: no such endpoint`;
    return respond(c, new ApiError(404, { code: 'not_found', message }));
  });
}

function requireKey(app: Hono<ApiEnv>, path: string, apiKeys: ApiKeys): void {
  app.use(path, (c, next) => {
    if (!apiKeys.allows(bearerOf(c.req.header('authorization')))) throw wrongApiKey();
    return next();
  });
}

function limitBody(app: Hono<ApiEnv>, path: string, state: () => ModelState, limits: RequestLimits): void {
  app.use(path, (c, next) => {
    const now = state();
    // Without a model there is no limit to know: the endpoints refuse, and read nothing.
    if (now.phase !== 'ready') return next();
    const maxSize = limits.bodyBytes ?? bodyBytesOf(now.model.engine.maxModelLen);
    const onError = () => {
      throw bodyTooLarge(maxSize);
    };
    return bodyLimit({ maxSize, onError })(c, next);
  });
}
