/** The HTTP API. `createApp` takes what it serves from; tests call `app.request()`. */
import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Metrics } from '../metrics.ts';
import { failureValues } from './answer.ts';
import { chatCompletions } from './chat-completions.ts';
import { completions } from './completions.ts';
import { ApiError, asApiError, bodyTooLarge, respond } from './errors.ts';
import { health } from './health.ts';
import { type ModelState, servedOf } from './model-state.ts';
import { models } from './models.ts';
import { type ApiEnv, type Log, RequestRecord } from './request-record.ts';

export interface AppOptions {
  state(): ModelState;
  metrics: Metrics;
  log: Log;
}

const bytesPerToken = 16;
const minBodyBytes = 1 << 20;

/** Room for a full context as JSON token ids or text. */
export const bodyBytesOf = (maxModelLen: number): number =>
  Math.max(maxModelLen * bytesPerToken, minBodyBytes);

/** A caller's own id is kept if it is one: it goes into a header and a log line. */
const requestIdPattern = /^[\w.:-]{1,128}$/;

export function createApp({ state, metrics, log }: AppOptions): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.use(async (c, next) => {
    const given = c.req.header('x-request-id') ?? '';
    const request = requestIdPattern.test(given) ? given : randomUUID();
    const record = new RequestRecord({ request, method: c.req.method, path: c.req.path }, log);
    c.set('record', record);
    c.set('client', c.req.raw);
    c.header('x-request-id', request);
    await next();
    record.add({ status: c.res.status });
    // Probes would drown the requests.
    if (c.req.path.startsWith('/v1/') && !record.streaming) record.end();
  });
  app.onError((error, c) => {
    c.get('record').add(failureValues(error));
    return respond(c, asApiError(error));
  });
  app.notFound((c) => {
    const message = `${c.req.method} ${c.req.path}: no such endpoint`;
    return respond(c, new ApiError(404, { code: 'not_found', message }));
  });
  app.use('/v1/*', (c, next) => {
    const now = state();
    // Without a model there is no limit to know: the endpoints refuse, and read nothing.
    if (now.phase !== 'ready') return next();
    const maxSize = bodyBytesOf(now.model.engine.maxModelLen);
    const onError = () => {
      throw bodyTooLarge(maxSize);
    };
    return bodyLimit({ maxSize, onError })(c, next);
  });
  app.route('/', health(state, metrics));
  app.get('/v1/models', (c) => models(c, servedOf(state())));
  app.post('/v1/chat/completions', (c) => chatCompletions(c, servedOf(state())));
  app.post('/v1/completions', (c) => completions(c, servedOf(state())));
  return app;
}
