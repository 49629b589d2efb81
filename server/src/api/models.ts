/** GET /v1/models: what is served, with the length that clients cut their prompts to. */
import type { Context } from 'hono';
import type { Served } from './model-state.ts';

export function models(c: Context, { name, created, engine }: Served): Response {
  const model = {
    id: name,
    object: 'model',
    created,
    owned_by: 'longpo',
    max_model_len: engine.maxModelLen,
  };
  return c.json({ object: 'list', data: [model] });
}
