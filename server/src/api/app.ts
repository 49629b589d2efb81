/** The HTTP API. `createApp` takes what it serves from; tests call `app.request()`. */
import { randomUUID } from 'node:crypto';
import type { Tokenizer } from '@longpo/tokens';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Engine } from '../engine/engine.ts';
import type { Metrics } from '../metrics.ts';
import { chatCompletions } from './chat-completions.ts';
import { completions } from './completions.ts';
import { ApiError, asApiError, respond, stillLoading } from './errors.ts';

/** A model that answers. */
export interface Served {
  name: string;
  engine: Engine;
  tokenizer: Tokenizer;
  metrics: Metrics;
}

export interface Load {
  /** Undefined until a warm-up run has succeeded. */
  served(): Served | undefined;
  percent(): number;
}

export interface AppOptions {
  load: Load;
  metrics: Metrics;
  maxBodyBytes(): number;
  /** One line a request; never a prompt. */
  log(values: Record<string, unknown>): void;
}

const bytesPerToken = 16;
const minBodyBytes = 1 << 20;

/** Room for a full context as JSON token ids or text. */
export const bodyBytesOf = (maxModelLen: number): number =>
  Math.max(maxModelLen * bytesPerToken, minBodyBytes);

export function createApp({ load, metrics, maxBodyBytes, log }: AppOptions): Hono {
  const app = new Hono();
  const served = (): Served => {
    const model = load.served();
    if (model === undefined) throw stillLoading(load.percent());
    return model;
  };
  app.use(async (c, next) => {
    const id = c.req.header('x-request-id') ?? randomUUID();
    c.header('x-request-id', id);
    const started = performance.now();
    await next();
    if (c.req.path.startsWith('/v1/'))
      log({
        request: id,
        method: c.req.method,
        path: c.req.path,
        status: c.res.status,
        ms: Math.round(performance.now() - started),
      });
  });
  app.onError((error, c) => {
    const known = asApiError(error);
    if (known.status >= 500 && known.code === 'internal_error')
      log({ error: known.message, stack: error.stack });
    return respond(c, known);
  });
  app.notFound((c) =>
    respond(
      c,
      new ApiError(404, { code: 'not_found', message: `${c.req.method} ${c.req.path}: no such endpoint` }),
    ),
  );
  app.use('/v1/*', async (c, next) => {
    const maxSize = maxBodyBytes();
    const tooLarge = (context: Context) =>
      respond(
        context,
        new ApiError(413, { code: 'body_too_large', message: `a request has at most ${maxSize} bytes` }),
      );
    return bodyLimit({ maxSize, onError: tooLarge })(c, next);
  });
  app.get('/healthz', (c) => c.text('ok'));
  app.get('/readyz', (c) => (load.served() ? c.text('ok') : respond(c, stillLoading(load.percent()))));
  app.get('/metrics', async (c) =>
    c.text(await metrics.render(), 200, { 'content-type': metrics.contentType }),
  );
  app.get('/v1/models', (c) => {
    const { name, engine } = served();
    const model = {
      id: name,
      object: 'model',
      created: 0,
      owned_by: 'longpo',
      max_model_len: engine.maxModelLen,
    };
    return c.json({ object: 'list', data: [model] });
  });
  app.post('/v1/chat/completions', (c) => chatCompletions(c, served()));
  app.post('/v1/completions', (c) => completions(c, served()));
  return app;
}
