/** GET /v1/models: what is served, with the length that clients cut their prompts to. */
import type { Context } from 'hono';
import { modelNotFound } from './errors.ts';
import type { Served } from './model-state.ts';

const shown = ({ name, created, engine }: Served) => ({
  id: name,
  object: 'model',
  created,
  owned_by: 'longpo',
  max_model_len: engine.maxModelLen,
});

export const models = (c: Context, served: Served): Response =>
  c.json({ object: 'list', data: [shown(served)] });

export function model(c: Context, served: Served, id: string): Response {
  if (id !== served.name) throw modelNotFound(id, served.name);
  return c.json(shown(served));
}
