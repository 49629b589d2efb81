/** Probes and metrics, for whoever runs the server. */
import { Hono } from 'hono';
import type { Metrics } from '../metrics.ts';
import { type ModelState, servedOf } from './model-state.ts';

export function health(state: () => ModelState, metrics: Metrics): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok'));
  app.get('/readyz', (c) => {
    servedOf(state());
    return c.text('ok');
  });
  app.get('/metrics', async (c) => {
    c.header('content-type', metrics.contentType);
    return c.body(await metrics.render());
  });
  return app;
}
